package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.model.Llava;
import dev.fovea.op.Sample;
import dev.fovea.program.Plan;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Greedy decode steps of several sequences at once, from any depth without a prompt that long: to measure what a token costs by batch
 * and context. The cache holds random numbers, the same in every page.
 */
public final class Steps implements AutoCloseable {
  private final int sequences;
  private final int positions;
  private final Arena arena = Arena.ofShared();
  private final List<Buffer> own = new ArrayList<>();
  private final Buffer position;
  private final Executable program;
  private final MemorySegment next;

  /**
   * Made by {@link Runner#steps}.
   *
   * @param weights buffers of the model's weights by name, which stay the runner's
   * @param pool as many pages as {@code sequences} of {@code pagesPerSequence} take
   */
  Steps(Device device, Llava model, Map<String, Buffer> weights, Llava.Pool pool, int vocabulary) {
    this.sequences = pool.sequences();
    this.positions = pool.pagesPerSequence() * pool.pageSize();
    Program traced = model.step(pool.sequences(), pool, vocabulary);
    Map<String, Buffer> bound = new HashMap<>(weights);
    SplittableRandom random = new SplittableRandom(1);
    for (Value v : traced.sources(Value.Kind.STATE)) {
      Buffer b = device.allocate(v.type());
      own.add(b);
      bound.put(v.name(), b);
      if (v.shape().axis(0) == Axis.PG) {
        fill(b, b.type().bytes() / pool.pages(), random);
      }
    }
    this.position = Runner.bound(bound, "pos");
    this.program = device.compile(traced, bound);
    this.next = arena.allocate(4L * sequences, 4);
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment seq = staging.allocate(4L * sequences, 4);
      MemorySegment pages = staging.allocate(4L * pool.pages(), 4);
      MemorySegment control = staging.allocate(4L * Sample.CONTROLS * sequences, 4);
      for (int i = 0; i < sequences; i++) {
        seq.setAtIndex(JAVA_INT, i, i);
        control.setAtIndex(ValueLayout.JAVA_FLOAT, (long) Sample.CONTROLS * i + 2, 1); // top-p
        control.setAtIndex(ValueLayout.JAVA_FLOAT, (long) Sample.CONTROLS * i + 4, 1); // penalty
      }
      for (int i = 0; i < pool.pages(); i++) {
        pages.setAtIndex(JAVA_INT, i, i);
      }
      program.write("seq", seq);
      Runner.bound(bound, "pages").upload(pages, 0);
      program.write("control", control);
    }
  }

  /** Random numbers of the cache's type, at most 1, in the first page and copied from there. */
  private static void fill(Buffer cache, long page, SplittableRandom random) {
    DType dtype = cache.type().dtype();
    float[] x = new float[Math.toIntExact(page / dtype.blockBytes() * dtype.blockSize())];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (2 * random.nextDouble() - 1);
    }
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment bytes = staging.allocate(page, 8);
      Blocks.quantize(dtype, x, 0, x.length, bytes, 0);
      cache.upload(bytes, 0);
    }
    long whole = cache.type().bytes();
    for (long done = page; done < whole; ) {
      long more = Math.min(done, whole - done);
      cache.copy(0, done, more);
      done += more;
    }
  }

  /**
   * Writes {@code count} tokens of every sequence, whose next position is {@code depth}; returns when the last is known.
   *
   * @throws IllegalArgumentException if they do not fit what these steps were made for
   */
  public void run(int depth, int count) {
    if (depth < 0 || count < 1 || depth + count > positions) {
      throw new IllegalArgumentException(
          depth + " + " + count + " positions of at most " + positions);
    }
    MemorySegment at = arena.allocate(4L * sequences, 4);
    for (int i = 0; i < sequences; i++) {
      at.setAtIndex(JAVA_INT, i, depth);
    }
    position.upload(at, 0);
    program.run();
    program.post("next");
    for (int i = 1; i < count; i++) {
      if (!program.asynchronous()) {
        program.collect(next);
      }
      program.run();
      program.post("next");
      if (program.asynchronous()) {
        program.collect(next);
      }
    }
    program.collect(next);
  }

  /** The step as placed and compiled. */
  public Plan plan() {
    return program.plan();
  }

  /** The last token of every sequence. */
  public int[] tokens() {
    return next.toArray(JAVA_INT);
  }

  @Override
  public void close() {
    program.close();
    own.forEach(Buffer::close);
    arena.close();
  }
}
