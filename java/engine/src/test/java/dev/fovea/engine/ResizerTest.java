package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.image.Resampling;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResizerTest {
  private static final int SIDE = 6;

  private static Resampling noise(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    new SplittableRandom(width).nextBytes(rgb);
    return Preprocessing.clip(ImageMode.PAD, SIDE).resampling(new Picture(width, height, rgb));
  }

  private static float[] run(Resizer resizer, Buffer pixels, Resampling picture) {
    float[] planes = new float[3 * SIDE * SIDE];
    pixels.upload(MemorySegment.ofArray(planes), 0);
    resizer.run(picture);
    pixels.download(MemorySegment.ofArray(planes), 0);
    return planes;
  }

  /** A picture larger than the memory for the first, then one with more weights; each as if it were the only one. */
  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu", "cuda-emulated", "opencl"})
  void growsWithItsPictures(String backend) {
    int[][] sizes = {{4, 3}, {800, 450}, {9000, 2}, {5, 7}};
    try (Device device = Backend.named(backend).open(new DeviceOptions(2, null));
        Buffer pixels =
            device.allocate(TensorType.f32(Shape.of(Axis.C, 3, Axis.Y, SIDE, Axis.X, SIDE)));
        Resizer all = new Resizer(device, pixels)) {
      for (int[] size : sizes) {
        Resampling picture = noise(size[0], size[1]);
        float[] found = run(all, pixels, picture);
        try (Resizer own = new Resizer(device, pixels)) {
          assertArrayEquals(run(own, pixels, picture), found, "of " + size[0] + "x" + size[1]);
        }
        long bytes = 3L * size[0] * size[1];
        long weights = picture.weights().byteSize() / JAVA_FLOAT.byteSize();
        assertArrayEquals(
            new boolean[] {size[0] == 800, size[0] == 9000},
            new boolean[] {bytes > 1 << 20, weights > 1 << 14},
            "what a first picture has room for");
      }
    }
  }
}
