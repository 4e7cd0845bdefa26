package dev.fovea.op;

import static dev.fovea.tensor.Axis.C;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.P;
import static dev.fovea.tensor.Axis.X;
import static dev.fovea.tensor.Axis.Y;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.List;

/**
 * Cuts a picture into square patches, row by row, each flattened as (c, dy, dx), so that a linear map of the rows is the patch
 * convolution. Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1.
 *
 * @param patch side of a patch in pixels
 */
public record Patchify(int patch) implements Op {

  @Override
  public String name() {
    return "patchify";
  }

  @Override
  public List<String> inputs() {
    return List.of("pixels"); // pixels [C,Y,X] → [P,I=C·patch²]
  }

  @Override
  public TensorType infer(Operands in) {
    in.rank(0, 3).dtype(0, DType.F32);
    in.require(
        in.size(0, 1) % patch == 0 && in.size(0, 2) % patch == 0,
        "Y and X must be multiples of " + patch);
    int patches = in.size(0, 1) / patch * (in.size(0, 2) / patch);
    return TensorType.f32(Shape.of(P, patches, I, in.size(0, 0) * patch * patch));
  }

  @Override
  public void reference(Call c) {
    double[] pixels = c.in(0);
    int channels = c.shape(0).size(0);
    int height = c.shape(0).size(1);
    int width = c.shape(0).size(2);
    int at = 0;
    for (int py = 0; py < height; py += patch) {
      for (int px = 0; px < width; px += patch) {
        for (int channel = 0; channel < channels; channel++) {
          for (int y = py; y < py + patch; y++) {
            for (int x = px; x < px + patch; x++) {
              c.put(at++, pixels[(channel * height + y) * width + x], 0);
            }
          }
        }
      }
    }
  }

  @Override
  public List<Number> attributes() {
    return List.of((long) patch);
  }

  @Override
  public List<Case> cases() {
    return List.of(
        of(1, 2, 2, 1), of(1, 6, 9, 3), of(3, 28, 42, 14), of(3, 224, 224, 14).asReal());
  }

  private static Case of(int channels, int height, int width, int patch) {
    return new Case(
        channels + "x" + height + "x" + width + " by " + patch,
        new Patchify(patch),
        List.of(TensorType.f32(Shape.of(C, channels, Y, height, X, width))),
        List.of(new Fill.Normal(1)));
  }
}
