package dev.fovea.bench;

import dev.fovea.backend.Ceilings;
import org.HdrHistogram.Histogram;

/** What the runs of one benchmark took, and what each of them declares to do: what {@link MeterProfiler} reports. */
final class Meter {
  private static final long LONGEST = 3_600_000_000_000L; // an hour
  private static final int DIGITS = 3;

  private static volatile Meter current = new Meter(0, 0, Ceilings.UNKNOWN);

  private final Histogram nanos = new Histogram(LONGEST, DIGITS);
  private final double bytes;
  private final double operations;
  private final Ceilings ceilings;

  /**
   * A meter of one benchmark, which is the current one from now on.
   *
   * @param bytes memory traffic of one run; 0 if none is declared
   * @param operations arithmetic of one run; 0 if none is declared
   * @param ceilings of the device it runs on, measured now
   */
  static Meter start(double bytes, double operations, Ceilings ceilings) {
    Meter meter = new Meter(bytes, operations, ceilings);
    current = meter;
    return meter;
  }

  private Meter(double bytes, double operations, Ceilings ceilings) {
    this.bytes = bytes;
    this.operations = operations;
    this.ceilings = ceilings;
  }

  /** The meter of the benchmark that runs. */
  static Meter current() {
    return current;
  }

  void record(long elapsed) {
    nanos.recordValue(Math.clamp(elapsed, 1, LONGEST));
  }

  /** Forgets what was recorded: an iteration begins. */
  void clear() {
    nanos.reset();
  }

  Histogram nanos() {
    return nanos;
  }

  double bytes() {
    return bytes;
  }

  double operations() {
    return operations;
  }

  Ceilings ceilings() {
    return ceilings;
  }
}
