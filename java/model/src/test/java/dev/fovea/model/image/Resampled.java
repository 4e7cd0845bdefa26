package dev.fovea.model.image;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** Pictures resized by the op's definition, as pictures again: each value of a channel is looked up as itself. */
public final class Resampled {
  private static final float[] ITSELF = new float[3 * 256];

  static {
    for (int i = 0; i < ITSELF.length; i++) {
      ITSELF[i] = i % 256;
    }
  }

  private Resampled() {}

  /** The whole picture at another size. */
  static Picture bicubic(Picture picture, int width, int height) {
    return bicubic(
        Resampling.Sheet.of(picture), width, height, new Resampling.Window(0, 0, width, height));
  }

  /** A window of the sheet at another size. */
  static Picture bicubic(Resampling.Sheet sheet, int width, int height, Resampling.Window window) {
    return picture(
        Resampling.of(sheet, width, height, window, ITSELF), window.width(), window.height());
  }

  /** The square that a tower sees. */
  public static Picture square(Preprocessing p, Picture picture) {
    return picture(p.resampling(picture, ITSELF), p.size(), p.size());
  }

  private static Picture picture(Resampling r, int width, int height) {
    float[] planes = pixels(r, width, height);
    byte[] rgb = new byte[planes.length];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) planes[i % 3 * width * height + i / 3];
    }
    return new Picture(width, height, rgb);
  }

  /** [C,Y,X] */
  static float[] pixels(Resampling r, int width, int height) {
    // Columns come where rows are said where the picture is turned.
    boolean turned = r.geometry().toArray(java.lang.foreign.ValueLayout.JAVA_INT)[2] != 0;
    int across = turned ? height : width;
    int down = turned ? width : height;
    TensorType type = TensorType.f32(Shape.of(Axis.C, 3, Axis.Y, down, Axis.X, across));
    int bytes = (int) r.picture().byteSize();
    TensorType photo = new TensorType(DType.U8, Shape.of(Axis.I, bytes));
    try (Device device = Backend.named("reference").open(DeviceOptions.DEFAULT);
        Buffer pixels = device.allocate(type);
        Buffer memory = device.allocate(photo);
        Executable resize = device.compile(
            Resampling.program(across, down, bytes, (int) r.weights().byteSize() / 4),
            Map.of("pixels", pixels, "photo", memory))) {
      memory.upload(r.picture(), 0);
      resize.write("geometry", r.geometry());
      resize.write("across", r.across());
      resize.write("down", r.down());
      resize.write("weights", r.weights());
      resize.write("levels", r.levels());
      resize.run();
      float[] planes = new float[3 * width * height];
      pixels.download(MemorySegment.ofArray(planes), 0);
      return planes;
    }
  }
}
