package dev.fovea.bench;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.F;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.KH;
import static dev.fovea.tensor.Axis.MP;
import static dev.fovea.tensor.Axis.O;
import static dev.fovea.tensor.Axis.PG;
import static dev.fovea.tensor.Axis.PS;
import static dev.fovea.tensor.Axis.T;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.backend.Executable;
import dev.fovea.model.layer.DecoderLayer;
import dev.fovea.model.layer.KvCache;
import dev.fovea.model.layer.Linear;
import dev.fovea.model.layer.RmsNorm;
import dev.fovea.model.layer.SelfAttention;
import dev.fovea.model.layer.SwiGlu;
import dev.fovea.op.Rope;
import dev.fovea.program.Cost;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One decoder layer with Vicuna-7B's dims (or a fraction of its width): so many rows at the start of a sequence. */
@State(Scope.Benchmark)
public class LayerBench {
  private static final int HEAD = 128;
  private static final int PAGE = 32;

  @Param({"1", "64", "512"})
  public int rows = 1;

  @Param("q4_0")
  public String weights = "q4_0";

  /** 32 is Vicuna-7B. */
  @Param("32")
  public int heads = 32;

  private final Arena arena = Arena.ofShared();
  private @Nullable Executable layer;
  private Meter meter = Meter.current();
  private MemorySegment first = MemorySegment.NULL;
  private MemorySegment again = MemorySegment.NULL;

  @Setup(Level.Trial)
  public void open(OpenDevice device) {
    Executable compiled = device.compile(program());
    layer = compiled;
    int width = heads * HEAD;
    MemorySegment x = arena.allocate(4L * rows * width, 64);
    SplittableRandom random = new SplittableRandom(1);
    for (long i = 0; i < (long) rows * width; i++) {
      x.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    MemorySegment pos = arena.allocate(4L * rows, 4);
    for (int i = 0; i < rows; i++) {
      pos.setAtIndex(JAVA_INT, i, i);
    }
    MemorySegment pages = arena.allocate(4L * pages(), 4);
    for (int i = 0; i < pages(); i++) {
      pages.setAtIndex(JAVA_INT, i, i);
    }
    compiled.write("x", x);
    compiled.write("pos", pos);
    compiled.write("pages", pages);
    compiled.run();
    first = result(arena.allocate(4L * rows * width, 64));
    again = arena.allocate(4L * rows * width, 64);
    for (long i = 0; i < (long) rows * width; i++) {
      float y = first.getAtIndex(JAVA_FLOAT, i);
      if (!Float.isFinite(y) || y == x.getAtIndex(JAVA_FLOAT, i)) {
        throw new AssertionError("y[" + i + "] = " + y + ": not what a layer makes of its input");
      }
    }
    Cost cost = Cost.of(compiled.plan());
    meter = Meter.start((double) cost.bytes(), cost.operations(), device.ceilings());
  }

  private int pages() {
    return (rows + PAGE - 1) / PAGE;
  }

  private Program program() {
    Trace t = new Trace("layer");
    int width = heads * HEAD;
    int ffn = heads * 344; // 11008 of Vicuna-7B
    TensorType cache =
        new TensorType(DType.F16, Shape.of(PG, pages(), KH, heads, PS, PAGE, DH, HEAD));
    KvCache kv = new KvCache(
        t.state("k", cache),
        t.state("v", cache),
        t.input("pos", TensorType.i32(Shape.of(T, rows))),
        t.input("seq", TensorType.i32(Shape.of(T, rows))),
        t.input("pages", TensorType.i32(Shape.of(B, 1, MP, pages()))));
    SelfAttention attention = new SelfAttention(
        linear(t, "q", O, width, width),
        linear(t, "k.map", O, width, width),
        linear(t, "v.map", O, width, width),
        linear(t, "o", D, width, width),
        heads,
        heads,
        new Rope(1e4, 1, false));
    SwiGlu mlp = new SwiGlu(
        linear(t, "gate", F, ffn, width),
        linear(t, "up", F, ffn, width),
        linear(t, "down", D, width, ffn));
    Value x = t.input("x", TensorType.f32(Shape.of(T, rows, D, width)));
    DecoderLayer decoder =
        new DecoderLayer(norm(t, "norm1", width), attention, norm(t, "norm2", width), mlp);
    t.output("y", decoder.apply(x, kv));
    return t.program();
  }

  private static RmsNorm norm(Trace t, String name, int width) {
    return new RmsNorm(t.weight(name, TensorType.f32(Shape.of(D, width))), 1e-5);
  }

  private Linear linear(Trace t, String name, Axis out, int outs, int ins) {
    return new Linear(
        t.weight(name, new TensorType(DType.parse(weights), Shape.of(out, outs, I, ins))), null);
  }

  private Executable layer() {
    if (layer == null) {
      throw new IllegalStateException("not set up");
    }
    return layer;
  }

  private MemorySegment result(MemorySegment to) {
    layer().read("y", to);
    return to;
  }

  @Benchmark
  public void run() {
    long start = System.nanoTime();
    layer().run();
    meter.record(System.nanoTime() - start);
  }

  /** The same input gives the same bits, however often it ran. */
  @TearDown(Level.Trial)
  public void close() {
    long at = result(again).mismatch(first);
    if (at >= 0) {
      throw new AssertionError("other bits at byte " + at + " than after the first run");
    }
    arena.close();
  }
}
