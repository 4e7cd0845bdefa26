package dev.fovea.testkit;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.error.InputException;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Checks kernels against their op's definition. For each case, kernel and arrangement of memory:
 *
 * <ul>
 *   <li>every element that the definition writes is within the definition's bound, from an output full of NaN;
 *   <li>everything else (guard zones, inputs, rows that do not count, the rest of a state) keeps its bytes;
 *   <li>a second run gives the same bits, and so does every other device given.
 * </ul>
 *
 * <p>Arrangements: at cache lines, at the alignment of one element, and in place of each input that the op allows.
 */
public final class Harness {
  private final List<Device> devices;

  /**
   * A harness for several devices.
   *
   * @param devices of one backend, opened in different ways (say with 1, 2 and 3 threads); kernels must give equal bits on all
   * @throws InputException for the reference backend, which is what the others are compared with
   */
  public Harness(List<? extends Device> devices) {
    this.devices = List.copyOf(devices);
    for (Device d : devices) {
      if (d.name().equals("reference")) {
        throw new InputException(
            "backend reference is the definition that others are checked against");
      }
    }
  }

  /** A harness for one device. */
  public Harness(Device device) {
    this(List.of(device));
  }

  /** Checks every case of an op, and hands over each result as it comes. */
  public void check(Op op, Consumer<CheckResult> to) {
    for (Case c : op.cases()) {
      check(c, to);
    }
  }

  /** Checks one case on every kernel of every device. */
  public void check(Case c, Consumer<CheckResult> to) {
    try (Arena arena = Arena.ofConfined()) {
      CaseData data = new CaseData(c, arena);
      String signature = Node.signature(c.in(), data.outType);
      Map<String, Bits> seen = new HashMap<>();
      for (Device device : devices) {
        List<Device.Candidate> candidates = device.candidates(c.op(), c.in(), data.outType);
        if (candidates.isEmpty()) {
          to.accept(result(device, c, signature, "-", new Outcome.Missing()));
        }
        for (Device.Candidate candidate : candidates) {
          String rejected = candidate.rejected();
          Outcome outcome = rejected == null
              ? run(device, candidate.kernel(), data, seen)
              : new Outcome.Rejected(rejected);
          to.accept(result(device, c, signature, candidate.kernel().variant(), outcome));
        }
      }
    }
  }

  private static CheckResult result(
      Device device, Case c, String signature, String variant, Outcome outcome) {
    return new CheckResult(
        device.name() + ": " + device.describe(),
        c.op().name(),
        signature,
        variant,
        c.name(),
        outcome);
  }

  /** An output as some device made it. */
  private record Bits(String device, ByteBuffer bytes) {}

  /** What a case hands over besides the arena. */
  private record Constants(Map<String, Buffer> buffers) implements AutoCloseable {
    @Override
    public void close() {
      buffers.values().forEach(Buffer::close);
    }
  }

  /** A check that did not hold. */
  private static final class Broken extends Exception {
    Broken(String what) {
      super(what);
    }
  }

  private static Outcome run(Device device, Kernel kernel, CaseData data, Map<String, Bits> seen) {
    double share = 0;
    for (Arrangement arrangement : Arrangement.of(data)) {
      String where = " (" + arrangement.name + ", seed " + Long.toHexString(data.seed) + ")";
      try (Arena arena = Arena.ofConfined();
          Constants constants = new Constants(arrangement.constants(device, arena));
          Executable exe = device.compile(arrangement.plan(kernel), constants.buffers())) {
        Buffer state = arrangement.state(constants.buffers());
        Image before = new Image(data, arrangement, arena);
        Image after = new Image(data, arrangement, arena);
        Image again = new Image(data, arrangement, arena);
        arrangement.fill(before.arena);
        if (state != null) {
          before.out.copyFrom(arrangement.stateBefore());
        }
        live(exe, data);
        run(exe, state, before, after);
        share = Math.max(share, verify(data, arrangement, before, after));
        run(exe, state, before, again);
        same(data, arrangement, after, again, "a second run");
        String changed = arrangement.changed(constants.buffers(), arena);
        if (changed != null) {
          throw new Broken("wrote to input " + changed);
        }
        ByteBuffer bytes = bytes(after);
        Bits other = seen.putIfAbsent(
            kernel.variant() + " " + arrangement.name, new Bits(device.describe(), bytes));
        if (other != null && !other.bytes().equals(bytes)) {
          int at = other.bytes().mismatch(bytes);
          throw new Broken((at < after.out.byteSize() ? at(data, at) : "a written state")
              + " has other bits than on " + other.device());
        }
      } catch (Broken e) {
        return new Outcome.Failed(e.getMessage() + where);
      } catch (RuntimeException e) {
        return new Outcome.Failed(e + where);
      }
    }
    return new Outcome.Passed(share);
  }

  static void live(Executable exe, CaseData data) {
    if (data.source.live() == Integer.MAX_VALUE) {
      return;
    }
    for (Axis axis : new Axis[] {Axis.T, Axis.R}) {
      if (data.outType.shape().axis(0) == axis
          || data.inputs.stream().anyMatch(t -> t != null && t.shape().axis(0) == axis)) {
        exe.live(axis, data.source.live());
      }
    }
  }

  /** The arena, and the output: a part of it, or a state beside it. Then the other states written, parts of the arena. */
  static final class Image {
    final MemorySegment arena;
    final MemorySegment out;
    final List<MemorySegment> states = new ArrayList<>();

    Image(CaseData data, Arrangement arrangement, Arena memory) {
      arena = memory.allocate(arrangement.bytes, 64);
      Plan.Slice slice = arrangement.out;
      out = slice == null
          ? memory.allocate(data.outType.bytes(), 64)
          : arena.asSlice(slice.offset(), slice.bytes());
      for (Plan.Slice state : arrangement.states) {
        states.add(arena.asSlice(state.offset(), state.bytes()));
      }
    }
  }

  static void run(Executable exe, @Nullable Buffer state, Image before, Image after) {
    exe.poke(0, before.arena);
    if (state != null) {
      state.upload(before.out, 0);
    }
    exe.run();
    exe.peek(0, after.arena);
    if (state != null) {
      state.download(after.out, 0);
    }
  }

  /** What does not hold of an arena and its states after a run; null if all does. */
  static @Nullable String problem(
      CaseData data, Arrangement arrangement, Image before, Image after) {
    try {
      verify(data, arrangement, before, after);
      return null;
    } catch (Broken e) {
      return e.getMessage();
    }
  }

  /** The output, then the states written. */
  private static ByteBuffer bytes(Image image) {
    List<MemorySegment> all = new ArrayList<>(List.of(image.out));
    all.addAll(image.states);
    ByteBuffer bytes = ByteBuffer.allocate(
        Math.toIntExact(all.stream().mapToLong(MemorySegment::byteSize).sum()));
    all.forEach(s -> bytes.put(s.toArray(ValueLayout.JAVA_BYTE)));
    return bytes.flip();
  }

  /** The largest share of the bound that any element uses, of the output and of the states written. */
  private static double verify(CaseData data, Arrangement arrangement, Image before, Image after)
      throws Broken {
    List<Plan.Slice> written = new ArrayList<>(arrangement.states);
    if (arrangement.out != null) {
      written.add(arrangement.out);
    }
    written.sort(Comparator.comparingLong(Plan.Slice::offset));
    long from = 0;
    for (Plan.Slice s : written) {
      untouched(arrangement, before.arena, after.arena, from, s.offset());
      from = s.offset() + s.bytes();
    }
    untouched(arrangement, before.arena, after.arena, from, arrangement.bytes);
    double share = verify(data.outType, data.expected, "y", before.out, after.out);
    List<Integer> writes = data.source.op().writes();
    for (int n = 0; n < writes.size(); n++) {
      Definition expected = data.expected.written().get(n);
      String name = data.source.op().inputs().get(writes.get(n));
      share = Math.max(
          share, verify(expected.out(), expected, name, before.states.get(n), after.states.get(n)));
    }
    return share;
  }

  private static double verify(
      TensorType type, Definition expected, String name, MemorySegment before, MemorySegment after)
      throws Broken {
    DType dtype = type.dtype();
    int size = dtype.blockBytes();
    int elements = Math.toIntExact(type.shape().elements());
    double share = 0;
    for (int i = 0; i < elements; i++) {
      long block = (long) i / dtype.blockSize() * size;
      if (i < expected.values().length && expected.writes(i)) {
        share = Math.max(
            share, share(expected, i, Blocks.get(dtype, after, i), element(type, i, name)));
      } else if (MemorySegment.mismatch(before, block, block + size, after, block, block + size)
          >= 0) {
        throw new Broken(element(type, i, name) + " was written, which the op leaves alone");
      }
    }
    return share;
  }

  private static double share(Definition expected, int i, double found, String element)
      throws Broken {
    double value = expected.values()[i];
    double bound = expected.bounds()[i];
    if (!Double.isFinite(value) || !Double.isFinite(bound) || bound < 0) {
      throw new Broken("the definition gives " + element + " = " + value + " ± " + bound);
    }
    double error = Math.abs(found - value);
    if (error == 0) {
      return 0;
    }
    if (!(error <= bound)) {
      throw new Broken(element + " is " + found + ", the definition says " + value + ", off by "
          + error + " with " + bound + " allowed");
    }
    return error / bound;
  }

  private static void untouched(
      Arrangement arrangement, MemorySegment before, MemorySegment after, long from, long to)
      throws Broken {
    long at = MemorySegment.mismatch(before, from, to, after, from, to);
    if (at >= 0) {
      throw new Broken("wrote to " + arrangement.owner(from + at));
    }
  }

  private static void same(CaseData data, Arrangement arrangement, Image a, Image b, String what)
      throws Broken {
    long inOut = a.out.mismatch(b.out);
    if (inOut >= 0) {
      throw new Broken(what + " gives other bits at " + at(data, inOut));
    }
    long inArena = a.arena.mismatch(b.arena);
    if (inArena >= 0) {
      throw new Broken(what + " gives other bits at " + arrangement.owner(inArena));
    }
  }

  /** The element, or the first of the block, of that byte of the output. */
  private static String at(CaseData data, long offset) {
    DType dtype = data.outType.dtype();
    return element(data.outType, (int) (offset / dtype.blockBytes() * dtype.blockSize()), "y");
  }

  /** {@code y[3,17]}. */
  private static String element(TensorType type, int i, String name) {
    Shape shape = type.shape();
    StringBuilder s = new StringBuilder();
    long rest = i;
    for (int d = shape.rank() - 1; d >= 0; d--) {
      s.insert(0, rest % shape.size(d)).insert(0, d == 0 ? "" : ",");
      rest /= shape.size(d);
    }
    return name + "[" + s + "]";
  }
}
