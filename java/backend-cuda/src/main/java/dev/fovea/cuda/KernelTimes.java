package dev.fovea.cuda;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.error.BackendException;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * How long two kernels for the same op take, measured once on each kind of machine: the first that is asked writes it into a file of the
 * user's cache, and from then on that is what is said, so that a program is the same program every time. What two machines measure may
 * differ, and then so may their choices and the last bits of their results.
 */
final class KernelTimes {
  private static final int ROUNDS = 5;
  private static final long ROUND_NANOS = 2_000_000;

  /** Nanoseconds of a run. */
  record Times(long first, long second) {}

  /** Measures what is not known yet. */
  @FunctionalInterface
  interface Race {
    Times run();
  }

  private final @Nullable Path file;
  private final Map<String, Times> known = new HashMap<>();

  /**
   * Those in a file, as far as they can be read.
   *
   * @param file where they are kept; null keeps them only in memory
   */
  KernelTimes(@Nullable Path file) {
    this.file = file;
    if (file == null) {
      return;
    }
    try {
      for (String line : Files.readAllLines(file)) {
        read(line);
      }
    } catch (IOException e) {
      // Not there yet, or not readable: then they are measured.
    }
  }

  private void read(String line) {
    String[] fields = line.split("\t", -1);
    if (fields.length == 3) {
      try {
        // The first is what was gone by, should two processes have measured at once.
        known.putIfAbsent(
            fields[2], new Times(Long.parseLong(fields[0]), Long.parseLong(fields[1])));
      } catch (NumberFormatException e) {
        // A line cut short counts for nothing.
      }
    }
  }

  /**
   * What is known under that key, or else what the race finds.
   *
   * @param key all that the times depend on, in one line
   */
  Times of(String key, Race race) {
    Times times = known.get(key);
    if (times == null) {
      times = race.run();
      known.put(key, times);
      write(times.first() + "\t" + times.second() + "\t" + key + "\n");
    }
    return times;
  }

  private void write(String line) {
    if (file == null) {
      return;
    }
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      // A cache that cannot be written costs a measurement at the next start.
    }
  }

  /**
   * Runs two kernels on an idle device, on random numbers.
   *
   * @throws BackendException if the device has no memory for that
   */
  static Times race(
      CudaDevice device, Op op, List<@Nullable TensorType> in, Kernel first, Kernel second) {
    Trace trace = new Trace("race of " + op.name());
    List<@Nullable Value> values = new ArrayList<>();
    Map<String, Buffer> buffers = new HashMap<>();
    try {
      for (int i = 0; i < in.size(); i++) {
        TensorType type = in.get(i);
        String name = op.inputs().get(i);
        values.add(type == null ? null : trace.weight(name, type));
        if (type != null) {
          buffers.put(name, device.allocate(type));
          fill(buffers.get(name));
        }
      }
      trace.output("y", trace.apply(op, values));
      Program program = trace.program();
      return new Times(
          time(device, program, first, buffers), time(device, program, second, buffers));
    } finally {
      buffers.values().forEach(Buffer::close);
    }
  }

  /** Numbers like those of activations: a device draws less power for zeros, and runs faster. */
  private static void fill(Buffer buffer) {
    TensorType type = buffer.type();
    int size = type.dtype().blockBytes();
    long piece = Math.min(type.bytes(), 1L << 18);
    SplittableRandom random = new SplittableRandom(1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment numbers = arena.allocate(piece, 64);
      for (long i = 0; i < piece / size; i++) {
        Blocks.set(type.dtype(), numbers, i, random.nextDouble(-1, 1));
      }
      for (long at = 0; at < type.bytes(); at += piece) {
        buffer.upload(numbers.asSlice(0, Math.min(piece, type.bytes() - at)), at);
      }
    }
  }

  private static long time(
      CudaDevice device, Program program, Kernel kernel, Map<String, Buffer> buffers) {
    Node node = program.nodes().getFirst();
    try (Executable run = device.compile(Plan.of(program, (_, _, _) -> kernel), buffers)) {
      run.run(); // the first loads code, the second captures
      run.run();
      device.finish();
      long runs = 1;
      long best = Long.MAX_VALUE;
      for (int round = 0; round <= ROUNDS; round++) {
        long start = System.nanoTime();
        for (long i = 0; i < runs; i++) {
          run.run();
        }
        device.finish();
        long each = Math.max(1, (System.nanoTime() - start) / runs);
        if (round == 0) { // says how many runs fill a round
          runs = Math.clamp(ROUND_NANOS / each, 1, 50);
        } else {
          best = Math.min(best, each);
        }
      }
      return best;
    } catch (BackendException e) {
      throw new BackendException(
          node.op().name() + " " + kernel.variant() + " cannot be timed: " + e.getMessage(), e);
    }
  }
}
