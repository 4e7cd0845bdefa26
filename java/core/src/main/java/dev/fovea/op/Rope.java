package dev.fovea.op;

import static dev.fovea.op.Call.U;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.H;
import static dev.fovea.tensor.Axis.T;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Rotary position embedding: each pair of a head's elements is turned by pos·scale·θ^(−2i/Dh). Su et al. 2021, arXiv:2104.09864, equation
 * 34. Pair i is (x[i], x[i+Dh/2]) as Hugging Face's LLaMA has it, or (x[2i], x[2i+1]) as llama.cpp's files have it, whose query and key
 * rows are stored in that order; attention does not change when both are ordered alike.
 *
 * @param theta base of the frequencies, 10000 for LLaMA
 * @param scale factor on positions: 1, or 1/f where a checkpoint stretches its context linearly by f
 * @param neighbours whether pairs are neighbours
 */
public record Rope(double theta, double scale, boolean neighbours) implements Op {

  @Override
  public String name() {
    return "rope";
  }

  @Override
  public List<String> inputs() {
    return List.of("x", "pos"); // x [T,H,Dh], pos [T] → [T,H,Dh]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 3).rank(1, 1).dtype(0, DType.F32).dtype(1, DType.I32);
    in.require(in.size(0, 0) == in.size(1, 0), "pos must have one entry per row of x");
    in.require(in.size(0, 2) % 2 == 0, "Dh must be even");
    return in.type(0);
  }

  @Override
  public void reference(Call c) {
    double[] x = c.in(0);
    double[] pos = c.in(1);
    int heads = c.shape(0).size(1);
    int width = c.shape(0).size(2);
    int half = width / 2;
    for (int t = 0; t < pos.length; t++) {
      for (int h = 0; h < heads; h++) {
        int at = (t * heads + h) * width;
        for (int i = 0; i < half; i++) {
          double angle = pos[t] * scale * Math.pow(theta, -2.0 * i / width);
          int first = neighbours ? at + 2 * i : at + i;
          int second = neighbours ? first + 1 : first + half;
          double a = x[first];
          double b = x[second];
          // The angle may be a binary32 number (4u for power and product); sine, cosine and the two
          // products add a few units.
          double bound = (Math.abs(a) + Math.abs(b)) * (4 * U * Math.abs(angle) + 0x1p-21);
          double cos = Math.cos(angle);
          double sin = Math.sin(angle);
          double aError = c.error(0, first);
          double bError = c.error(0, second);
          c.put(first, a * cos - b * sin, bound + Math.abs(cos) * aError + Math.abs(sin) * bError);
          c.put(second, b * cos + a * sin, bound + Math.abs(cos) * bError + Math.abs(sin) * aError);
        }
      }
    }
  }

  @Override
  public List<Number> attributes() {
    return List.of(theta, scale, neighbours ? 1L : 0L);
  }

  @Override
  public Set<Integer> inPlace() {
    return Set.of(0);
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (boolean neighbours : new boolean[] {false, true}) {
      cases.add(of(1, 1, 2, new Rope(1e4, 1, neighbours), new Fill.Values(0)));
      cases.add(of(3, 2, 6, new Rope(1e4, 1, neighbours), new Fill.Range(5)));
      cases.add(of(4, 3, 128, new Rope(1e4, 1, neighbours), new Fill.Values(0, 1, 4095, 31)));
      cases.add(of(4, 3, 64, new Rope(5e5, 1, neighbours), new Fill.Values(2047, 0, 7, 100)));
      cases.add(of(2, 2, 128, new Rope(1e4, 0.25, neighbours), new Fill.Values(8191, 3)));
      cases.add(
          of(1, 32, 128, new Rope(1e4, 1, neighbours), new Fill.Values(700)).asReal());
      cases.add(of(6, 2, 32, new Rope(1e4, 1, neighbours), new Fill.Range(30)).live(2));
    }
    return cases;
  }

  private static Case of(int rows, int heads, int width, Rope op, Fill pos) {
    return new Case(
        rows + "x" + heads + "x" + width + " " + op + " " + pos,
        op,
        List.of(
            TensorType.f32(Shape.of(T, rows, H, heads, DH, width)),
            TensorType.i32(Shape.of(T, rows))),
        List.of(new Fill.Normal(1), pos));
  }
}
