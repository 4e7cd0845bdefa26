package dev.fovea.model.image;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.error.BackendException;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Every picture that Pillow resized is resized to the same bytes on each backend; the emulated one takes the small ones. */
class ResizeOnDevicesTest {
  private static final JsonNode GOLDENS = goldens();

  private static JsonNode goldens() {
    try (InputStream in = ResizeOnDevicesTest.class.getResourceAsStream("goldens.json")) {
      return JsonMapper.shared().readTree(Objects.requireNonNull(in));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  @ParameterizedTest(name = "{0} {1} {2}")
  @CsvSource({
    "cpu, '', 2",
    "cpu, avx2, 1",
    "cpu, scalar, 3",
    "cuda-emulated, '', 0",
    "opencl, '', 0"
  })
  void equalsPillow(String backend, String tier, int threads) {
    boolean slow = backend.equals("cuda-emulated");
    DeviceOptions options = new DeviceOptions(threads, tier.isEmpty() ? null : tier);
    try (Device device = Backend.named(backend).open(options)) {
      int resizes = each("resizes", slow, golden -> {
        int[] to = {golden.path("to").get(0).asInt(), golden.path("to").get(1).asInt()};
        float[] levels = new float[3 * 256];
        for (int i = 0; i < levels.length; i++) {
          levels[i] = i % 256;
        }
        Resampling r = Resampling.of(
            Resampling.Sheet.of(pattern(golden)),
            to[0],
            to[1],
            new Resampling.Window(0, 0, to[0], to[1]),
            levels);
        return check(device, r, to[0], to[1], golden);
      });
      int squares = each("squares", slow, golden -> {
        int side = golden.path("size").asInt();
        ImageMode mode = ImageMode.valueOf(golden.path("mode").asString());
        Resampling r = Preprocessing.clip(mode, side).resampling(pattern(golden));
        return check(device, r, side, side, golden);
      });
      assertTrue(resizes >= (slow ? 20 : 150) && squares >= (slow ? 12 : 40), "few goldens");
    }
  }

  /** How many there were. */
  private static int each(String list, boolean slow, Predicate<JsonNode> check) {
    int n = 0;
    for (JsonNode golden : GOLDENS.path(list)) {
      int pixels =
          golden.path("from").get(0).asInt() * golden.path("from").get(1).asInt();
      JsonNode to = golden.path("to");
      int side = golden.path("size").asInt(0);
      int made =
          to.isMissingNode() ? side * side : to.get(0).asInt() * to.get(1).asInt();
      if (!slow || (pixels <= 3000 && made <= 3200)) {
        assertTrue(check.test(golden), golden.toString());
        n++;
      }
    }
    return n;
  }

  /** R = 37x + 11y, G = 91x + 53y, B = 17xy + 29, each modulo 256. */
  private static Picture pattern(JsonNode golden) {
    int width = golden.path("from").get(0).asInt();
    int height = golden.path("from").get(1).asInt();
    byte[] rgb = new byte[3 * width * height];
    for (int y = 0, at = 0; y < height; y++) {
      for (int x = 0; x < width; x++, at += 3) {
        rgb[at] = (byte) (37 * x + 11 * y);
        rgb[at + 1] = (byte) (91 * x + 53 * y);
        rgb[at + 2] = (byte) (17 * x * y + 29);
      }
    }
    return new Picture(width, height, rgb);
  }

  private static boolean check(
      Device device, Resampling r, int width, int height, JsonNode golden) {
    float[] planes = pixels(device, r, width, height);
    float[] levels = r.levels().toArray(JAVA_FLOAT);
    byte[] rgb = new byte[planes.length];
    for (int i = 0; i < rgb.length; i++) {
      int c = i % 3;
      float found = planes[c * width * height + i / 3];
      int value = Arrays.binarySearch(levels, 256 * c, 256 * (c + 1), found) - 256 * c;
      assertTrue(value >= 0, () -> found + " is no level, " + golden);
      rgb[i] = (byte) value;
    }
    assertEquals(golden.path("sha256").asString(), sha256(rgb), golden::toString);
    return true;
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** [C,Y,X], from memory with room for more than the picture and its weights. */
  private static float[] pixels(Device device, Resampling r, int width, int height) {
    boolean turned = r.geometry().toArray(JAVA_INT)[2] != 0;
    int across = turned ? height : width;
    int down = turned ? width : height;
    int bytes = (int) r.picture().byteSize() + 50;
    TensorType type = TensorType.f32(Shape.of(Axis.C, 3, Axis.Y, down, Axis.X, across));
    try (Buffer pixels = device.allocate(type);
        Buffer photo = device.allocate(new TensorType(DType.U8, Shape.of(Axis.I, bytes)));
        Executable resize = device.compile(
            Resampling.program(across, down, bytes, (int) r.weights().byteSize() / 4 + 7),
            Map.of("pixels", pixels, "photo", photo))) {
      photo.upload(r.picture(), 0);
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

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "cuda-emulated", "opencl"})
  void refusesAPictureLargerThanItsMemory(String backend) {
    Picture picture = new Picture(5, 4, new byte[60]);
    Resampling good = Preprocessing.clip(ImageMode.PAD, 6).resampling(picture);
    try (Device device = Backend.named(backend).open(DeviceOptions.DEFAULT)) {
      float[] before = pixels(device, good, 6, 6);
      for (int at : new int[] {0, 1}) {
        int[] geometry = good.geometry().toArray(JAVA_INT);
        geometry[at] += 8;
        Resampling bad = new Resampling(
            good.picture(),
            MemorySegment.ofArray(geometry),
            good.across(),
            good.down(),
            good.weights(),
            good.levels());
        BackendException e = assertThrows(BackendException.class, () -> pixels(device, bad, 6, 6));
        assertTrue(String.valueOf(e.getMessage()).contains("resize"), e.getMessage());
      }
      assertArrayEquals(before, pixels(device, good, 6, 6));
    }
  }
}
