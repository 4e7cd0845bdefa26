package dev.fovea.model.image;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What {@code weights-tools/golden/image_goldens.py} wrote with Pillow. */
final class Goldens {

  private static final JsonNode ROOT = JsonMapper.shared().readTree(bytes("goldens.json"));

  private Goldens() {}

  static List<JsonNode> list(String name) {
    JsonNode array = ROOT.path(name);
    List<JsonNode> entries =
        IntStream.range(0, array.size()).mapToObj(array::get).toList();
    if (entries.isEmpty()) {
      throw new IllegalStateException("no goldens called " + name);
    }
    return entries;
  }

  static byte[] bytes(String file) {
    try (InputStream in = Goldens.class.getResourceAsStream(file)) {
      return Objects.requireNonNull(in, file).readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Picture decode(String file) {
    return ImageDecoder.STANDARD.decode(bytes(file), file);
  }

  static String sha256(Picture picture) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(picture.rgb()));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** The test picture: R = 37x + 11y, G = 91x + 53y, B = 17xy + 29, each modulo 256. */
  static Picture pattern(int width, int height) {
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
}
