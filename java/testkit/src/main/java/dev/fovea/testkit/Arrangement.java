package dev.fovea.testkit;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Kernel;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Where a case's tensors lie in the arena: guard zones round each, at cache lines or only at the alignment of an element, the output
 * apart or on top of an input. Quantized ones are handed to the device as constants, and as state if the op writes them, since a device may
 * lay those out its own way.
 */
final class Arrangement {
  static final long GUARD = 256;
  private static final long LINE = 64;
  private static final ValueLayout.OfShort HALF =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  final String name;
  private final CaseData data;
  private final boolean odd;
  private final int shared;
  private final List<Plan.@Nullable Slice> inputs = new ArrayList<>();
  /** Where the output lies in the arena; null if it is a quantized state. */
  final Plan.@Nullable Slice out;
  /** Where the states lie that the op writes beside its output. */
  final List<Plan.Slice> states = new ArrayList<>();

  final long bytes;

  /** @param inPlace the input that the output lies on, −1 for none */
  Arrangement(CaseData data, boolean odd, int inPlace) {
    this.data = data;
    this.odd = odd;
    Op op = data.source.op();
    this.shared = op.aliasOf() >= 0 ? op.aliasOf() : inPlace;
    this.name = (odd ? "odd addresses" : "whole lines")
        + (inPlace >= 0 ? ", in place of " + op.inputs().get(inPlace) : "");
    long at = 0;
    for (Tensor t : data.inputs) {
      if (t == null || t.dtype().isQuantized()) {
        inputs.add(null);
        continue;
      }
      at = place(at, t.dtype(), odd);
      inputs.add(new Plan.Slice(null, at, t.type().bytes()));
      at += t.type().bytes();
    }
    if (shared >= 0) {
      this.out = inputs.get(shared);
    } else {
      at = place(at, data.outType.dtype(), odd);
      this.out = new Plan.Slice(null, at, data.outType.bytes());
      at += data.outType.bytes();
    }
    this.bytes = up(at + GUARD);
    for (int i : op.writes()) {
      states.add(Objects.requireNonNull(inputs.get(i)));
    }
  }

  /** Every arrangement that this op must stand. */
  static List<Arrangement> of(CaseData data) {
    List<Arrangement> all = new ArrayList<>();
    all.add(new Arrangement(data, false, -1));
    all.add(new Arrangement(data, true, -1));
    for (int i : data.source.op().inPlace().stream().sorted().toList()) {
      all.add(new Arrangement(data, false, i));
    }
    return all;
  }

  private static long place(long at, DType dtype, boolean odd) {
    return up(at + GUARD) + (odd ? element(dtype) : 0);
  }

  /** The alignment that every tensor of the type has, at least. */
  private static long element(DType dtype) {
    return dtype.isQuantized() ? 2 : dtype.blockBytes();
  }

  private static long up(long n) {
    return (n + LINE - 1) / LINE * LINE;
  }

  /** Whether that input is a quantized tensor that the op writes. */
  private boolean isState(int i) {
    return i == shared && out == null;
  }

  /** The state that the op writes among these buffers; null if it writes to the arena. */
  @Nullable
  Buffer state(Map<String, Buffer> buffers) {
    return out == null ? buffers.get(data.source.op().inputs().get(shared)) : null;
  }

  /** What the state holds before a run. */
  MemorySegment stateBefore() {
    return Objects.requireNonNull(data.inputs.get(shared)).data();
  }

  /**
   * The constants on a device, and the state, by name; the memory of constants lies at a whole line or only at the alignment of an element,
   * too.
   */
  Map<String, Buffer> constants(Device device, Arena memory) {
    Map<String, Buffer> constants = new HashMap<>();
    for (int i = 0; i < data.inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      if (t != null && isState(i)) {
        constants.put(data.source.op().inputs().get(i), device.allocate(t.type()));
      } else if (t != null && inputs.get(i) == null) {
        long from = odd ? element(t.dtype()) : 0;
        MemorySegment copy = memory
            .allocate(from + t.type().bytes(), LINE)
            .asSlice(from, t.type().bytes());
        MemorySegment.copy(t.data(), 0, copy, 0, copy.byteSize());
        constants.put(data.source.op().inputs().get(i), device.constant(t.type(), copy));
      }
    }
    return constants;
  }

  /** The name of a constant that is no longer what it was; null if all are. */
  @Nullable
  String changed(Map<String, Buffer> constants, Arena memory) {
    for (int i = 0; i < data.inputs.size(); i++) {
      String name = data.source.op().inputs().get(i);
      Buffer buffer = constants.get(name);
      Tensor t = data.inputs.get(i);
      if (buffer != null && t != null && !isState(i)) {
        MemorySegment now = memory.allocate(t.type().bytes(), LINE);
        buffer.download(now, 0);
        if (now.mismatch(t.data()) >= 0) {
          return name;
        }
      }
    }
    return null;
  }

  /** The one-node program with its tensors at these places: inputs, so that they lie in the arena, and constants. */
  Plan plan(Kernel kernel) {
    Op op = data.source.op();
    Trace trace = new Trace("check " + op.name());
    List<@Nullable Value> in = new ArrayList<>();
    Map<Value, Plan.Slice> places = new HashMap<>();
    for (int i = 0; i < data.inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      if (t == null) {
        in.add(null);
        continue;
      }
      Plan.Slice slice = inputs.get(i);
      String name = op.inputs().get(i);
      Value v = slice != null
          ? trace.input(name, t.type())
          : isState(i) ? trace.state(name, t.type()) : trace.weight(name, t.type());
      in.add(v);
      places.put(v, slice == null ? new Plan.Slice(v, 0, t.type().bytes()) : slice);
    }
    Value y = trace.apply(op, in);
    trace.output("y", y);
    places.put(y, out != null ? out : places.get(Objects.requireNonNull(in.get(shared))));
    Node node = Objects.requireNonNull(y.producer());
    return new Plan(trace.program(), List.of(new Plan.Step(node, kernel)), places, bytes);
  }

  /**
   * The arena before a run: the inputs, and elsewhere a pattern, different at each place, that reads as NaN in f32, f16 and bf16 and as an
   * absurd row, page or token. Floats beyond the live rows keep the pattern.
   */
  void fill(MemorySegment arena) {
    pattern(arena, 0, bytes);
    for (int i = 0; i < inputs.size(); i++) {
      Plan.Slice slice = inputs.get(i);
      Tensor t = data.inputs.get(i);
      if (slice != null && t != null) {
        long n = t.dtype() == DType.F32 ? Rows.live(t.type(), data.live).bytes() : slice.bytes();
        MemorySegment.copy(t.data(), 0, arena, slice.offset(), n);
      }
    }
  }

  private void pattern(MemorySegment memory, long from, long to) {
    for (long i = from; i < to; i += 2) {
      long mixed = (i + data.seed) * 0x9e3779b97f4a7c15L;
      memory.set(HALF, i, (short) (0xff80 | (1 + (mixed >>> 40) % 127)));
    }
  }

  /**
   * This arrangement on a machine that has nothing but one piece of memory: the arena, and behind it, between guard zones too, what devices
   * are otherwise handed as constants and state.
   *
   * @param inputs offsets, −1 where absent
   * @param memory before a run
   */
  record OnePiece(List<Long> inputs, long out, MemorySegment memory) {}

  OnePiece onePiece(Arena memory) {
    List<Long> offsets = new ArrayList<>();
    long end = bytes;
    for (int i = 0; i < inputs.size(); i++) {
      Plan.Slice slice = inputs.get(i);
      Tensor t = data.inputs.get(i);
      if (slice == null && t != null) {
        long at = place(end, t.dtype(), odd);
        offsets.add(at);
        end = at + t.type().bytes();
      } else {
        offsets.add(slice == null ? -1 : slice.offset());
      }
    }
    MemorySegment all = memory.allocate(up(end + GUARD), LINE);
    fill(all);
    pattern(all, bytes, all.byteSize());
    for (int i = 0; i < inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      if (inputs.get(i) == null && t != null) {
        MemorySegment.copy(t.data(), 0, all, offsets.get(i), t.type().bytes());
      }
    }
    return new OnePiece(offsets, out != null ? out.offset() : offsets.get(shared), all);
  }

  /** Whose byte that is, in words. */
  String owner(long offset) {
    for (int i = 0; i < inputs.size(); i++) {
      Plan.Slice s = inputs.get(i);
      if (s != null && offset >= s.offset() && offset < s.offset() + s.bytes()) {
        return "byte " + (offset - s.offset()) + " of input "
            + data.source.op().inputs().get(i);
      }
    }
    String nearest = "the arena's start";
    long from = 0;
    for (int i = 0; i <= inputs.size(); i++) {
      Plan.Slice s = i == inputs.size() ? out : inputs.get(i);
      if (s != null && s.offset() + s.bytes() <= offset && s.offset() + s.bytes() > from) {
        from = s.offset() + s.bytes();
        nearest = "the end of "
            + (i == inputs.size() ? "the output" : data.source.op().inputs().get(i));
      }
    }
    if (out != null && offset < out.offset() && out.offset() - offset <= GUARD) {
      return "byte " + (out.offset() - offset) + " before the output";
    }
    return "byte " + (offset - from) + " behind " + nearest;
  }
}
