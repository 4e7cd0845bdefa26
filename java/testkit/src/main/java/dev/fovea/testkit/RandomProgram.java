package dev.fovea.testkit;

import dev.fovea.op.Embed;
import dev.fovea.op.RmsNorm;
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
 * Programs that no one would write, for checking passes over programs: random residual sums, gates, norms, linear maps, views and picked
 * rows over values that are read any number of times, so that some compositions can be fused and some must not be.
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
  }

  /** Inputs {@code x0, x1} [3,32] and {@code rows} [3] (0 to 2), weights {@code w0, w1, b, g}, and one to three outputs. */
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
    return switch (random.nextInt(12)) {
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
      default -> trace.apply(new Embed(), Arrays.asList(rows, any(), null));
    };
  }

  private Value gated() {
    Value x = any();
    return x.linear(weights.get(0), null).siluMul(x.linear(weights.get(1), null));
  }
}
