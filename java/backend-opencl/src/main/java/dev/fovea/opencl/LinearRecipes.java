package dev.fovea.opencl;

import static java.lang.Math.ceilDiv;

import dev.fovea.op.NormQkv;
import dev.fovea.op.NormSwiGlu;
import dev.fovea.opencl.Recipe.Asked;
import dev.fovea.opencl.Recipe.Work;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Linear maps and the ops that begin with one: by rows for a few of them, by tiles for many. */
final class LinearRecipes {
  /** Rows of weights that a work-item takes at most: as many sums fit into registers. */
  private static final int MOST_OUTS = 8;

  /** As in linear.clh. */
  private static final int TILE_ROWS = 32;

  private static final int TILE_OUTS = 4;

  /** As in linear_group.cl: outputs and rows of a group, and its work-items. */
  private static final int SIDE = 32;

  private static final int GROUP = 64;

  /** Rows from which unpacking weights once for all of them pays. */
  private static final int MANY_ROWS = 3;

  /** What may follow a map; the numbers are linear.cl's. */
  private enum Then {
    NOTHING(0),
    QUICK_GELU(1),
    GELU(2);

    final int code;

    Then(int code) {
      this.code = code;
    }
  }

  /** Which inputs of an op stand where in the kernel; −1 for none. */
  private record Slots(int gain, int weights, int up, int bias, int residual, Then then) {}

  private LinearRecipes() {}

  static List<Recipe> table() {
    List<Recipe> table = new ArrayList<>();
    add(table, "linear", new Slots(-1, 1, -1, 2, -1, Then.NOTHING));
    table.add(Recipe.any("norm_qkv", "row", LinearRecipes::qkvByRow));
    table.add(manyRows("norm_qkv", LinearRecipes::qkvByTile));
    add(table, "norm_swiglu", new Slots(1, 2, 3, -1, -1, Then.NOTHING));
    add(table, "swiglu", new Slots(-1, 1, 2, -1, -1, Then.NOTHING));
    add(table, "linear_add", new Slots(-1, 1, -1, 2, 3, Then.NOTHING));
    add(table, "linear_quick_gelu", new Slots(-1, 1, -1, 2, -1, Then.QUICK_GELU));
    add(table, "linear_gelu", new Slots(-1, 1, -1, 2, -1, Then.GELU));
    return table;
  }

  private static void add(List<Recipe> table, String op, Slots slots) {
    table.add(Recipe.any(op, "row", a -> byRow(a, slots)));
    table.add(manyRows(op, a -> byTile(a, slots)));
    table.add(
        new Recipe(op, "group", (a, device) -> whyNotGrouped(a, device), a -> byGroup(a, slots)));
  }

  /** Local memory pays where work-items of a group share a processor; elsewhere it is memory like any other. */
  private static @Nullable String whyNotGrouped(Asked a, Found device) {
    if (a.size(0, 0) < MANY_ROWS) {
      return "most of a group would be idle";
    }
    if (a.tuning().items() == 1) {
      return "the device has a processor for each work-item";
    }
    return device.mostItems() < GROUP
        ? "the device's groups are of " + device.mostItems() + " at most"
        : null;
  }

  private static Recipe manyRows(String op, Recipe.Steps steps) {
    return new Recipe(
        op,
        "tile",
        (a, _) -> a.size(0, 0) < MANY_ROWS ? "most of a tile would be idle" : null,
        steps);
  }

  static String weights(TensorType w) {
    return "WEIGHTS=" + w.dtype().code();
  }

  /**
   * A kernel of linear maps.
   *
   * @param outs rows of weights that a work-item of one row takes; 0 for tiles
   */
  private static Launch launch(Asked a, String kernel, String file, TensorType w, int outs) {
    List<String> defines = new ArrayList<>(List.of(weights(w)));
    if (outs > 0) {
      defines.add("OUTS=" + outs);
    }
    int items = a.tuning().items();
    if (items > 1) {
      defines.add("ITEMS=" + items);
    }
    return new Launch(kernel, List.of("weights.clh", "linear.clh", file), defines).groups(items);
  }

  /** As many rows of weights to a work-item as leave enough groups for the device. */
  private static int outs(Asked a, long maps, int outs) {
    int taken = MOST_OUTS;
    while (taken > 2
        && a.size(0, 0) * maps * ceilDiv(outs, taken)
            < (long) a.tuning().groups() * a.tuning().items()) {
      taken /= 2;
    }
    return taken;
  }

  private static void optional(Launch launch, Asked a, int slot) {
    if (slot >= 0 && a.has(slot)) {
      launch.in(slot);
    } else {
      launch.absent();
    }
  }

  private static Work byRow(Asked a, Slots s) {
    int width = a.size(0, 1);
    int outs = a.size(s.weights(), 0);
    int taken = outs(a, 1, outs);
    Launch launch =
        launch(a, "linear__row", "linear.cl", a.type(s.weights()), taken).in(0);
    optional(launch, a, s.gain());
    launch.in(s.weights());
    optional(launch, a, s.up());
    optional(launch, a, s.bias());
    optional(launch, a, s.residual());
    return Work.of(launch
        .out()
        .whole(width, outs, s.then().code)
        .real(a.op() instanceof NormSwiGlu op ? op.eps() : 0)
        .over(a.out(), rows -> new long[] {ceilDiv(outs, taken), rows, 1}));
  }

  private static Work byTile(Asked a, Slots s) {
    int outs = a.size(s.weights(), 0);
    return ofMany(
        a, s, launch(a, "linear__tile", "linear.cl", a.type(s.weights()), 0).over(a.out(), rows ->
            new long[] {ceilDiv(outs, TILE_OUTS), ceilDiv(rows, TILE_ROWS), 1}));
  }

  private static Work byGroup(Asked a, Slots s) {
    int outs = a.size(s.weights(), 0);
    return ofMany(
        a,
        s,
        new Launch(
                "linear__group",
                List.of("weights.clh", "linear.clh", "linear_group.cl"),
                List.of(weights(a.type(s.weights()))))
            .groups(GROUP)
            .over(a.out(), rows ->
                new long[] {(long) GROUP * ceilDiv(outs, SIDE), ceilDiv(rows, SIDE), 1}));
  }

  /** Arguments of a kernel that takes many rows, normalised before where the op says so. */
  private static Work ofMany(Asked a, Slots s, Launch launch) {
    int outs = a.size(s.weights(), 0);
    List<Launch> launches = new ArrayList<>();
    long scratch = 0;
    if (s.gain() >= 0) {
      launches.add(normed(a, a.op() instanceof NormSwiGlu op ? op.eps() : 0));
      scratch = a.type(0).bytes();
      launch.scratch(0);
    } else {
      launch.in(0);
    }
    launch.in(s.weights());
    optional(launch, a, s.up());
    optional(launch, a, s.bias());
    optional(launch, a, s.residual());
    launches.add(launch.out().rows(a.out()).whole(a.size(0, 1), outs, s.then().code));
    return new Work(launches, scratch);
  }

  /** Inputs 0 and 1, rows and gains, to the start of the scratch memory. */
  private static Launch normed(Asked a, double eps) {
    return new Launch("rms_norm__row", List.of("rms_norm.cl"), List.of())
        .in(0, 1)
        .scratch(0)
        .whole(a.size(0, 1))
        .real(eps)
        .over(a.out(), rows -> new long[] {rows, 1, 1});
  }

  private static Work qkvByRow(Asked a) {
    int queries = a.size(2, 0);
    int keys = a.size(3, 0);
    int taken = outs(a, 3, Math.max(queries, keys));
    Launch maps = launch(a, "norm_qkv__row", "norm_qkv.cl", a.type(2), taken)
        .in(0, 1, 2, 3, 4)
        .scratch(0)
        .whole(a.size(0, 1), queries, keys, a.size(0, 0))
        .real(((NormQkv) a.op()).eps())
        .over(a.out(), rows -> new long[] {ceilDiv(Math.max(queries, keys), taken), rows, 3});
    return new Work(List.of(maps, turn(a, 0)), made(a));
  }

  private static Work qkvByTile(Asked a) {
    int queries = a.size(2, 0);
    int keys = a.size(3, 0);
    long normed = ceilDiv(a.type(0).bytes(), 64) * 64;
    Launch maps = launch(a, "norm_qkv__tile", "norm_qkv.cl", a.type(2), 0)
        .scratch(0)
        .in(2, 3, 4)
        .scratch(normed)
        .rows(a.out())
        .whole(a.size(0, 1), queries, keys, a.size(0, 0))
        .over(a.out(), rows ->
            new long[] {ceilDiv(Math.max(queries, keys), TILE_OUTS), ceilDiv(rows, TILE_ROWS), 3});
    return new Work(
        List.of(normed(a, ((NormQkv) a.op()).eps()), maps, turn(a, normed)), normed + made(a));
  }

  /** Bytes of the three maps' results. */
  private static long made(Asked a) {
    return 4L * a.size(0, 0) * (a.size(2, 0) + 2L * a.size(3, 0));
  }

  /** The end: what the maps made, at that offset of the scratch memory, goes where it belongs. */
  private static Launch turn(Asked a, long made) {
    NormQkv op = (NormQkv) a.op();
    Shape cache = a.type(5).shape();
    int width = cache.size(3);
    int heads = a.size(2, 0) / width;
    int keyHeads = cache.size(1);
    return new Launch(
            "norm_qkv__turn",
            List.of("kv.clh", "norm_qkv_turn.cl"),
            List.of(Recipes.cacheType(a.type(5)), "DH=" + width))
        .scratch(made)
        .in(5, 6, 7, 8, 9)
        .out()
        .table(Recipes.turns(op.theta(), op.scale(), width))
        .whole(
            a.size(9, 0),
            a.size(9, 1),
            cache.size(0),
            heads,
            keyHeads,
            cache.size(2),
            a.size(0, 0),
            op.neighbours() ? 1 : 0)
        .error()
        .over(a.out(), rows -> new long[] {heads + 2L * keyHeads, rows, 1});
  }
}
