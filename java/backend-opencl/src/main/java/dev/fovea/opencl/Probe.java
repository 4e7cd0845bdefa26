package dev.fovea.opencl;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.backend.Ceilings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** Measures by the device's own clock what it can do at best, and what it wants to do it: kernels/opencl/ceiling_*.cl. */
final class Probe {
  private static final int[] ITEMS = {1, 8, 64}; // that may make a group

  /** Groups of a unit: what PoCL gives to one of its threads at once, and enough for a GPU to have work while some wait for memory. */
  private static final int GROUPS = 32;

  private static final int LINE = 64;
  private static final int LINES = 64; // that a work-item reads
  private static final int LONG = 20_000; // rounds that hide the start of a launch
  private static final int SHORT = 2_000; // rounds as long as a decode step's launches
  private static final int OPERATIONS = 512; // of a work-item in a round; a multiply-add is two
  private static final int TRIES = 5;

  private final OpenClDevice device;
  private final int units;
  private final int[] sizes;

  Probe(OpenClDevice device, Found found) {
    this.device = device;
    this.units = Math.toIntExact(found.units());
    this.sizes = Arrays.stream(ITEMS).filter(n -> n <= found.mostItems()).toArray();
  }

  Ceilings ceilings() {
    int largest = sizes[sizes.length - 1];
    long bytes = 256L << 20; // more than caches hold
    long readers = bytes / LINE / LINES;
    long workers = 4L * units * largest; // so that none waits for the last
    long x = device.memory(bytes);
    long y = device.memory(4 * Math.max(readers, workers));
    try (Kernel read = new Kernel("ceiling_read", List.of(x, y), LINES);
        Kernel fma = new Kernel("ceiling_fma", List.of(y), LONG)) {
      Cl.zero(device.queue(), x, bytes);
      return new Ceilings(
          (double) bytes / read.seconds(readers, largest),
          Double.NaN,
          Double.NaN,
          (double) workers * LONG * OPERATIONS / fma.seconds(workers, largest));
    } finally {
      device.free(x, bytes);
      device.free(y, 4 * Math.max(readers, workers));
    }
  }

  /** The smallest groups that come near the best rate, whatever else the machine does meanwhile. */
  Tuning tune() {
    int most = GROUPS * units;
    int largest = sizes[sizes.length - 1];
    long bytes = 4L * most * largest;
    long y = device.memory(bytes);
    try (Kernel fma = new Kernel("ceiling_fma", List.of(y), SHORT)) {
      double[] rates = new double[sizes.length];
      for (int i = 0; i < sizes.length; i++) {
        rates[i] = sizes[i] / fma.seconds((long) most * sizes[i], sizes[i]);
      }
      return new Tuning(sizes[near(rates)], most);
    } finally {
      device.free(y, bytes);
    }
  }

  /** The first that is not far from the best: where work-items share a processor, too few of them are slower by far. */
  private static int near(double[] rates) {
    double best = 0;
    for (double rate : rates) {
      best = Math.max(best, rate);
    }
    int i = 0;
    while (rates[i] < best / 2) {
      i++;
    }
    return i;
  }

  /** The kernel of a file of that name with its arguments: buffers from their beginning, and a count. */
  private final class Kernel implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();
    private final long program;
    private final long kernel;
    private final MemorySegment items = arena.allocateFrom(JAVA_LONG, 1, 1, 1);
    private final MemorySegment group = arena.allocateFrom(JAVA_LONG, 1, 1, 1);

    Kernel(String name, List<Long> buffers, int count) {
      program = device.programs().once(new Programs.Text(List.of(name + ".cl"), List.of()));
      kernel = Cl.kernel(program, name);
      MemorySegment argument = arena.allocate(JAVA_LONG);
      int at = 0;
      for (long buffer : buffers) {
        argument.set(JAVA_LONG, 0, buffer);
        Cl.argument(kernel, at++, 8, argument.address());
        argument.set(JAVA_LONG, 0, 0);
        Cl.argument(kernel, at++, 8, argument.address());
      }
      argument.set(JAVA_INT, 0, count);
      Cl.argument(kernel, at, 4, argument.address());
    }

    /** The least of a few runs, after one that does not count: drivers build a kernel for a size of groups when they first see it. */
    double seconds(long n, int inGroup) {
      items.set(JAVA_LONG, 0, n);
      group.set(JAVA_LONG, 0, inGroup);
      long best = Long.MAX_VALUE;
      for (int i = 0; i <= TRIES; i++) {
        try (Clock clock = device.anotherClock()) {
          clock.enqueue(kernel, items.address(), group.address());
          long nanos = Math.max(1, clock.nanos());
          best = i == 0 ? best : Math.min(best, nanos);
        }
      }
      return best / 1e9;
    }

    @Override
    public void close() {
      Cl.releaseKernel(kernel);
      Cl.releaseProgram(program);
      arena.close();
    }
  }
}
