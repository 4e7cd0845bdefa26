package dev.fovea.opencl;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.backend.Ceilings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Measures by the device's own clock what it can do at best: kernels/opencl/ceiling.cl. */
final class Probe {
  private static final int GROUP = 64;
  private static final int LINE = 64;
  private static final int LINES = 64; // that a work-item reads
  private static final int ROUNDS = 20_000;
  private static final int OPERATIONS = 512; // of a work-item in a round; a multiply-add is two
  private static final int TRIES = 5;

  private final OpenClDevice device;
  private final long groups;

  Probe(OpenClDevice device, long units) {
    this.device = device;
    this.groups = 4 * units; // so that none waits for the last
  }

  Ceilings ceilings() {
    long bytes = 256L << 20; // more than caches hold
    long readers = bytes / LINE / LINES;
    long workers = groups * GROUP;
    long program = device.programs().of(List.of("ceiling.cl"), List.of());
    long x = device.memory(bytes);
    long y = device.memory(4 * Math.max(readers, workers));
    try (Arena arena = Arena.ofConfined()) {
      Cl.zero(device.queue(), x, bytes);
      double read =
          rate(arena, program, "ceiling__read", List.of(x, y), LINES, readers, (double) bytes);
      double done = rate(
          arena,
          program,
          "ceiling__fma",
          List.of(y),
          ROUNDS,
          workers,
          (double) workers * ROUNDS * OPERATIONS);
      return new Ceilings(read, Double.NaN, Double.NaN, done);
    } finally {
      device.free(x, bytes);
      device.free(y, 4 * Math.max(readers, workers));
    }
  }

  /** Work a second, the best of a few tries. */
  private double rate(
      Arena arena,
      long program,
      String name,
      List<Long> buffers,
      int count,
      long items,
      double work) {
    MemorySegment argument = arena.allocate(JAVA_LONG);
    MemorySegment sizes = arena.allocateFrom(JAVA_LONG, items, 1, 1);
    MemorySegment groups = arena.allocateFrom(JAVA_LONG, GROUP, 1, 1);
    long kernel = Cl.kernel(program, name);
    try {
      int at = 0;
      for (long buffer : buffers) {
        argument.set(JAVA_LONG, 0, buffer);
        Cl.argument(kernel, at++, 8, argument.address());
        argument.set(JAVA_LONG, 0, 0);
        Cl.argument(kernel, at++, 8, argument.address());
      }
      argument.set(JAVA_INT, 0, count);
      Cl.argument(kernel, at, 4, argument.address());
      double best = 0;
      for (int i = 0; i < TRIES; i++) {
        try (Clock clock = device.anotherClock()) {
          clock.enqueue(kernel, sizes.address(), groups.address());
          best = Math.max(best, 1e9 * work / Math.max(1, clock.nanos()));
        }
      }
      return best;
    } finally {
      Cl.releaseKernel(kernel);
    }
  }
}
