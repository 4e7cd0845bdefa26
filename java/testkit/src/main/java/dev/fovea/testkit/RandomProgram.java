package dev.fovea.testkit;

import dev.fovea.op.Embed;
import dev.fovea.op.KvAppend;
import dev.fovea.op.PagedAttention;
import dev.fovea.op.RmsNorm;
import dev.fovea.op.Rope;
import dev.fovea.op.TakeRows;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Programs that no one would write, for checking passes over programs: random residual sums, gates, norms, linear maps, attention over caches, views
 * and picked rows over values that are read any number of times, so that some compositions can be fused and some must not be.
 */
public final class RandomProgram {
  private static final int ROWS = 3;
  private static final int WIDTH = 32;

  private final SplittableRandom random;
  private final Trace trace;
  private final List<Value> values = new ArrayList<>();
  private final List<Value> weights = new ArrayList<>();
  private final Value bias;
  private final Value gain;
  private final Value rows;
  private final Value pos;
  private final Value seq;
  private final Value pages;
  private Value keys;
  private Value cached;

  private RandomProgram(long seed) {
    this.random = new SplittableRandom(seed);
    this.trace = new Trace("random " + seed);
    for (int i = 0; i < 2; i++) {
      values.add(trace.input("x" + i, TensorType.f32(Shape.of(Axis.T, ROWS, Axis.D, WIDTH))));
      weights.add(trace.weight("w" + i, TensorType.f32(Shape.of(Axis.O, WIDTH, Axis.I, WIDTH))));
    }
    this.bias = trace.weight("b", TensorType.f32(Shape.of(Axis.O, WIDTH)));
    this.gain = trace.weight("g", TensorType.f32(Shape.of(Axis.D, WIDTH)));
    this.rows = trace.input("rows", TensorType.i32(Shape.of(Axis.T, ROWS)));
    this.pos = trace.input("pos", TensorType.i32(Shape.of(Axis.T, ROWS)));
    this.seq = trace.input("seq", TensorType.i32(Shape.of(Axis.T, ROWS)));
    this.pages = trace.input("pages", TensorType.i32(Shape.of(Axis.B, 3, Axis.MP, 2)));
    TensorType cache =
        TensorType.f32(Shape.of(Axis.PG, 3, Axis.KH, 2, Axis.PS, 2, Axis.DH, WIDTH / 2));
    this.keys = trace.state("k", cache);
    this.cached = trace.state("v", cache);
  }

  /**
   * Inputs {@code x0, x1} [3,32] and {@code rows, pos, seq} [3] and {@code pages} [3,2] (0 to 2), weights {@code w0, w1, b, g}, states
   * {@code k, v}, and one to three outputs.
   */
  public static Program of(long seed, int nodes) {
    RandomProgram p = new RandomProgram(seed);
    while (p.trace.program().nodes().size() < nodes) {
      p.values.add(p.step());
    }
    p.trace.output("y0", p.values.getLast());
    for (int i = 1; i <= p.random.nextInt(3); i++) {
      p.trace.output("y" + i, p.any());
    }
    return p.trace.program();
  }

  /** Mostly recent values, so that some die early and some live long. */
  private Value any() {
    int n = values.size();
    return values.get(
        random.nextInt(3) == 0 ? random.nextInt(n) : n - 1 - random.nextInt(Math.min(3, n)));
  }

  private Value linear(Value x) {
    return x.linear(weights.get(random.nextInt(2)), random.nextBoolean() ? bias : null);
  }

  private Value step() {
    return switch (random.nextInt(15)) {
      case 0 -> any().plus(any());
      case 1 -> any().plus(linear(any()));
      case 2 -> linear(any());
      case 3 -> linear(any()).quickGelu();
      case 4 -> linear(any()).gelu();
      case 5 -> gated();
      case 6 -> any().siluMul(any());
      case 7 -> any().quickGelu();
      case 8 -> trace.apply(new RmsNorm(1e-5), any(), gain);
      case 9 -> any().splitHeads(Axis.H, 4).joinHeads(Axis.D);
      case 10 -> trace.apply(new TakeRows(), any(), rows);
      case 11 -> normGated();
      case 12, 13 -> attention();
      default -> trace.apply(new Embed(), Arrays.asList(rows, any(), null));
    };
  }

  private Value gated() {
    Value x = any();
    return x.linear(weights.get(0), null).siluMul(x.linear(weights.get(1), null));
  }

  private Value norm() {
    return trace.apply(new RmsNorm(1e-5), any(), gain);
  }

  private Value normGated() {
    Value x = norm();
    if (random.nextInt(3) == 0) {
      values.add(x); // may be read elsewhere
    }
    return x.linear(weights.get(0), null).siluMul(x.linear(weights.get(1), null));
  }

  /** Attention with its rows appended to the cache first, in some order, and now and then with something in between. */
  private Value attention() {
    if (keys.producer() == null) { // what an earlier run left must not show
      keys = append(keys, any().splitHeads(Axis.KH, 2));
      cached = append(cached, any().splitHeads(Axis.KH, 2));
    }
    Value x = norm();
    Rope rope = new Rope(1e4, 1, random.nextBoolean());
    Value q = trace.apply(rope, heads(x, Axis.H), pos);
    boolean early = random.nextBoolean();
    Value k = trace.apply(rope, heads(x, Axis.KH), pos);
    if (early) {
      keys = append(keys, k);
    }
    switch (random.nextInt(4)) {
      case 0 -> values.add(k.joinHeads(Axis.D));
      case 1 -> values.add(x);
      case 2 -> values.add(attend(q));
      default -> {}
    }
    Value v = heads(x, Axis.KH);
    if (random.nextInt(3) == 0) {
      values.add(attend(q));
    }
    cached = append(cached, v);
    if (!early) {
      keys = append(keys, k);
    }
    return attend(q);
  }

  private Value heads(Value x, Axis axis) {
    return x.linear(weights.get(random.nextInt(2)), null).splitHeads(axis, 2);
  }

  private Value append(Value cache, Value heads) {
    return trace.apply(new KvAppend(), cache, heads, pos, seq, pages);
  }

  private Value attend(Value q) {
    return trace
        .apply(new PagedAttention(0.25), q, keys, cached, pos, seq, pages)
        .joinHeads(Axis.D);
  }
}
