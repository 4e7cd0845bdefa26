package dev.fovea.opencl;

import static java.lang.Math.ceilDiv;

import dev.fovea.op.Attention;
import dev.fovea.op.LayerNorm;
import dev.fovea.op.PagedAttention;
import dev.fovea.op.Patchify;
import dev.fovea.op.RmsNorm;
import dev.fovea.op.Rope;
import dev.fovea.op.Sample;
import dev.fovea.opencl.Recipe.Asked;
import dev.fovea.opencl.Recipe.Work;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The kernel table: what each op launches, plainest first. Linear maps are in {@link LinearRecipes}. */
final class Recipes {
  /** Work-items that copy or add pieces of sixteen come in groups of so many. */
  private static final int GROUP = 16;

  /** Keys of a part at most, when a row's keys are shared: what is then joined is small beside them. */
  private static final int MOST_SPAN = 256;

  /** Parts from which a second launch, to join them, pays. */
  private static final int ENOUGH_PARTS = 32;

  /** Rows from which one to a lane pays; below, lanes go along the row. */
  static final int MANY_ROWS = 8;

  static final List<Recipe> ALL = table();

  private Recipes() {}

  private static List<Recipe> table() {
    List<Recipe> table = new ArrayList<>(List.of(
        Recipe.any("resize", "strip", Recipes::resize),
        Recipe.any("patchify", "row", Recipes::patchify),
        Recipe.any("concat_rows", "one", Recipes::concatRows),
        Recipe.any("embed", "block", Recipes::embed),
        Recipe.any("layer_norm", "row", Recipes::layerNorm),
        Recipe.any("rms_norm", "row", Recipes::rmsNorm),
        Recipe.any("rope", "head", Recipes::rope),
        Recipe.any("kv_append", "head", Recipes::kvAppend),
        Recipe.any("attention", "lanes", Recipes::attention),
        Recipe.any("paged_attention", "row", Recipes::pagedByRow),
        new Recipe("paged_attention", "split", (a, _) -> whyNotSplit(a), Recipes::pagedByPart),
        new Recipe(
            "paged_attention",
            "lanes",
            (a, _) -> a.size(0, 0) < MANY_ROWS ? "lanes would be idle" : null,
            Recipes::pagedByLanes),
        Recipe.any("quick_gelu", "sixteen", a -> pieces(a, "quick_gelu", 1)),
        Recipe.any("gelu", "sixteen", a -> pieces(a, "gelu", 1)),
        Recipe.any("silu_mul", "sixteen", a -> pieces(a, "silu_mul", 2)),
        Recipe.any("add", "sixteen", a -> pieces(a, "add", 2)),
        Recipe.any("take_rows", "sixteen", Recipes::takeRows),
        Recipe.any("token_at", "row", Recipes::tokenAt),
        new Recipe(
            "sample",
            "row",
            (_, device) -> device.doubles() ? null : "the device has no cl_khr_fp64",
            Recipes::sample),
        Recipe.any("put_token", "row", Recipes::putToken),
        Recipe.any("advance", "row", Recipes::advance)));
    table.addAll(LinearRecipes.table());
    return List.copyOf(table);
  }

  /** A launch of {@code <op>__<variant>} from the op's file. */
  private static Launch launch(String op, String variant, String... defines) {
    return new Launch(op + "__" + variant, List.of(op + ".cl"), List.of(defines));
  }

  static String cacheType(TensorType cache) {
    return "CACHE=" + cache.dtype().code();
  }

  /** Elementwise ops: every element of so many inputs and the output, sixteen a work-item. */
  private static Work pieces(Asked a, String op, int inputs) {
    Launch launch = launch(op, "sixteen");
    for (int i = 0; i < inputs; i++) {
      launch.in(i);
    }
    long width = a.out().shape().rowElements();
    return Work.of(launch.out().rows(a.out()).whole(width).groups(GROUP).over(a.out(), rows ->
        new long[] {ceilDiv(rows * width, 16), 1, 1}));
  }

  private static Work resize(Asked a) {
    Shape pixels = a.out().shape();
    return Work.of(launch("resize", "strip")
        .in(0, 1, 2, 3, 4, 5, 6)
        .whole(a.type(1).bytes(), a.size(5, 0), pixels.size(1), pixels.size(2))
        .error()
        .groups(GROUP)
        .over(pixels.size(2), ceilDiv(pixels.size(1), 16)));
  }

  private static Work patchify(Asked a) {
    int patch = ((Patchify) a.op()).patch();
    return Work.of(launch("patchify", "row")
        .in(0)
        .out()
        .whole(a.size(0, 0), a.size(0, 1), a.size(0, 2), patch)
        .over((long) a.size(0, 0) * patch, a.out().shape().size(0)));
  }

  private static Work concatRows(Asked a) {
    long total = a.out().shape().elements();
    return Work.of(launch("concat_rows", "one")
        .in(0, 1)
        .out()
        .whole(a.type(0).shape().elements(), total)
        .groups(64)
        .over(total, 1));
  }

  private static Work embed(Asked a) {
    int width = a.size(1, 1);
    Launch launch = new Launch(
            "embed__block",
            List.of("weights.clh", "embed.cl"),
            List.of(LinearRecipes.weights(a.type(1))))
        .in(0, 1);
    if (a.has(2)) {
      launch.in(2);
    } else {
      launch.absent();
    }
    return Work.of(launch
        .out()
        .whole(a.size(1, 0), a.has(2) ? a.size(2, 0) : 0, width)
        .error()
        .over(a.out(), rows -> new long[] {ceilDiv(width, 32), rows, 1}));
  }

  private static Work layerNorm(Asked a) {
    return Work.of(launch("layer_norm", "row")
        .in(0, 1, 2)
        .out()
        .whole(a.size(0, 1))
        .real(((LayerNorm) a.op()).eps())
        .over(a.out(), rows -> new long[] {rows, 1, 1}));
  }

  private static Work rmsNorm(Asked a) {
    return Work.of(launch("rms_norm", "row")
        .in(0, 1)
        .out()
        .whole(a.size(0, 1))
        .real(((RmsNorm) a.op()).eps())
        .over(a.out(), rows -> new long[] {rows, 1, 1}));
  }

  /** What a position is multiplied by for each pair of a head, rounded once. */
  static List<Float> turns(double theta, double scale, int width) {
    List<Float> turns = new ArrayList<>();
    for (int i = 0; i < width / 2; i++) {
      turns.add((float) (scale * Math.pow(theta, -2.0 * i / width)));
    }
    return turns;
  }

  private static Work rope(Asked a) {
    Rope rope = (Rope) a.op();
    int heads = a.size(0, 1);
    int width = a.size(0, 2);
    return Work.of(launch("rope", "head")
        .in(0, 1)
        .out()
        .table(turns(rope.theta(), rope.scale(), width))
        .whole(heads, width, rope.neighbours() ? 1 : 0)
        .over(a.out(), rows -> new long[] {heads, rows, 1}));
  }

  private static Work kvAppend(Asked a) {
    Shape cache = a.type(0).shape();
    return Work.of(new Launch(
            "kv_append__head", List.of("kv.clh", "kv_append.cl"), List.of(cacheType(a.type(0))))
        .in(0, 1, 2, 3, 4)
        .whole(
            a.size(4, 0), a.size(4, 1), cache.size(0), cache.size(1), cache.size(2), cache.size(3))
        .error()
        .over(a.type(1), rows -> new long[] {cache.size(1), rows, 1}));
  }

  private static Work attention(Asked a) {
    int heads = a.size(0, 1);
    return Work.of(launch("attention", "lanes", "DH=" + a.size(0, 2))
        .in(0, 1, 2)
        .out()
        .rows(a.out())
        .whole(heads)
        .real(((Attention) a.op()).scale())
        .over(a.out(), rows -> new long[] {heads, ceilDiv(rows, 16), 1}));
  }

  private static Work pagedByRow(Asked a) {
    int heads = a.size(0, 1);
    return Work.of(paged(paging(a, "row").in(0, 1, 2, 3, 4, 5).out(), a)
        .over(a.out(), rows -> new long[] {heads, rows, 1}));
  }

  /** Keys of a part: a quarter of what a sequence may have, at most {@link #MOST_SPAN}. */
  private static int span(Asked a) {
    return Math.clamp(ceilDiv(a.size(5, 1) * a.size(1, 2), 4 * 16) * 16L, 16, MOST_SPAN);
  }

  private static int parts(Asked a) {
    return ceilDiv(a.size(5, 1) * a.size(1, 2), span(a));
  }

  private static @Nullable String whyNotSplit(Asked a) {
    long rows = (long) a.size(0, 0) * a.size(0, 1);
    int groups = a.tuning().groups();
    if (a.size(0, 0) >= MANY_ROWS || rows >= groups) {
      return "there are rows for every unit";
    }
    return parts(a) < 2 || rows * parts(a) < Math.min(groups, ENOUGH_PARTS)
        ? "there are too few keys to share"
        : null;
  }

  /** Parts of the keys, then those together. */
  private static Work pagedByPart(Asked a) {
    int heads = a.size(0, 1);
    int parts = parts(a);
    int span = span(a);
    Launch part = paged(paging(a, "part").in(0, 1, 2, 3, 4, 5).scratch(0), a, span)
        .over(a.out(), rows -> new long[] {heads, rows, parts});
    Launch join = paging(a, "join")
        .scratch(0)
        .in(3)
        .out()
        .whole(heads, parts, span)
        .over(a.out(), rows -> new long[] {heads, rows, 1});
    return new Work(List.of(part, join), 4L * a.size(0, 0) * heads * parts * (2L + a.size(0, 2)));
  }

  private static Work pagedByLanes(Asked a) {
    int heads = a.size(0, 1);
    return Work.of(paged(paging(a, "lanes").in(0, 1, 2, 3, 4, 5).out().rows(a.out()), a)
        .over(a.out(), rows -> new long[] {heads, ceilDiv(rows, 16), 1}));
  }

  private static Launch paging(Asked a, String variant) {
    return new Launch(
        "paged_attention__" + variant,
        List.of("kv.clh", "paged_attention.cl"),
        List.of(cacheType(a.type(1)), "DH=" + a.size(0, 2)));
  }

  /** What its kernels share; a span is one number, or none. */
  private static Launch paged(Launch launch, Asked a, int... span) {
    Shape cache = a.type(1).shape();
    launch.whole(
        a.size(5, 0), a.size(5, 1), cache.size(0), a.size(0, 1), cache.size(1), cache.size(2));
    for (int s : span) {
      launch.whole(s);
    }
    return launch.real(((PagedAttention) a.op()).scale()).error();
  }

  private static Work takeRows(Asked a) {
    int width = a.size(0, 1);
    return Work.of(launch("take_rows", "sixteen")
        .in(0, 1)
        .out()
        .rows(a.type(0))
        .whole(width)
        .error()
        .over(a.out(), rows -> new long[] {ceilDiv(width, 16), rows, 1}));
  }

  private static Work tokenAt(Asked a) {
    return Work.of(launch("token_at", "row")
        .in(0, 1, 2)
        .out()
        .whole(a.size(0, 0), a.size(0, 1))
        .error()
        .over(a.out(), rows -> new long[] {rows, 1, 1}));
  }

  private static Work sample(Asked a) {
    int vocabulary = ((Sample) a.op()).vocabulary();
    int rows = a.size(0, 0);
    long room = ceilDiv(vocabulary * 16L, 64) * 64; // of a row, as sample.cl divides it
    Launch launch = launch("sample", "row")
        .in(0, 1, 2, 3, 4, 5)
        .out()
        .scratch(0)
        .whole(a.size(1, 0), a.size(1, 1), vocabulary, a.size(0, 1))
        .error()
        .over(a.out(), n -> new long[] {n, 1, 1});
    return new Work(List.of(launch), rows * room);
  }

  private static Work putToken(Asked a) {
    return Work.of(launch("put_token", "row")
        .in(0, 1, 2, 3)
        .whole(a.size(0, 0), a.size(0, 1))
        .error()
        .over(a.type(1), rows -> new long[] {rows, 1, 1}));
  }

  private static Work advance(Asked a) {
    return Work.of(
        launch("advance", "row").in(0).error().over(a.out(), rows -> new long[] {rows, 1, 1}));
  }
}
