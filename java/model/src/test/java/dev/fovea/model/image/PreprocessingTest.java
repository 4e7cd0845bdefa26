package dev.fovea.model.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

class PreprocessingTest {

  static List<JsonNode> squares() {
    return Goldens.list("squares");
  }

  @ParameterizedTest
  @MethodSource("squares")
  void equalsPillow(JsonNode golden) {
    var mode = ImageMode.valueOf(golden.path("mode").asString());
    int w = golden.path("from").get(0).asInt();
    int h = golden.path("from").get(1).asInt();
    Picture square = Resampled.square(
        Preprocessing.clip(mode, golden.path("size").asInt()), Goldens.pattern(w, h));
    assertArrayEquals(
        new long[] {
          golden.path("sums").get(0).asLong(),
          golden.path("sums").get(1).asLong(),
          golden.path("sums").get(2).asLong()
        },
        sums(square));
    assertEquals(golden.path("sha256").asString(), Goldens.sha256(square));
  }

  @ParameterizedTest
  @CsvSource({
    "CROP,224,6397579,6397508,6388493,58,137,25",
    "PAD,336,14187584,13962696,13503190,122,116,104",
    "RESIZE,224,6397707,6398045,6394591,42,103,37"
  })
  void equalsTheWrittenDownSums(
      ImageMode mode, int size, long red, long green, long blue, int r, int g, int b) {
    Picture square = Resampled.square(Preprocessing.clip(mode, size), Goldens.pattern(640, 427));
    assertArrayEquals(new long[] {red, green, blue}, sums(square));
    assertEquals((r << 16) | (g << 8) | b, square.pixel(0, 0));
  }

  private static long[] sums(Picture picture) {
    long[] sums = new long[3];
    for (int i = 0; i < picture.rgb().length; i++) {
      sums[i % 3] += picture.rgb()[i] & 0xFF;
    }
    return sums;
  }

  @Test
  void writesNormalisedPlanes() {
    byte[] rgb = new byte[3 * 4];
    for (int c = 0; c < 3; c++) {
      rgb[3 + c] = (byte) 255;
    }
    rgb[6] = 122;
    rgb[7] = 116;
    rgb[8] = 104;
    float[] values = Resampled.pixels(
        Preprocessing.clip(ImageMode.RESIZE, 2).resampling(new Picture(2, 2, rgb)), 2, 2);
    float[] expected = {
      -1.792263f, 1.930336f, -0.011254f, -1.792263f,
      -1.752097f, 2.074884f, -0.011196f, -1.752097f,
      -1.480220f, 2.145897f, -0.001333f, -1.480220f
    };
    // Six decimals were written down; 1e-6 is two halves of the last one.
    assertArrayEquals(expected, values, 1e-6f);
  }

  @Test
  void costsWhatThePixelsCostNotWhatTheSquareWould() {
    Picture thread = new Picture(1, 30_000, new byte[90_000]);
    for (ImageMode mode : ImageMode.values()) {
      assertTimeout(
          Duration.ofSeconds(10),
          () -> assertEquals(
              336, Resampled.square(Preprocessing.clip(mode, 336), thread).width()));
    }
  }

  private static final String OLD =
      "{\"crop_size\":224,\"do_center_crop\":true,\"do_normalize\":true,\"do_resize\":true,"
          + "\"feature_extractor_type\":\"CLIPFeatureExtractor\",\"image_mean\":[0.48145466,0.4578275,0.40821073],"
          + "\"image_std\":[0.26862954,0.26130258,0.27577711],\"resample\":3,\"size\":224}";

  private static final String NEW =
      "{\"crop_size\":{\"height\":336,\"width\":336},\"do_center_crop\":true,\"do_convert_rgb\":true,"
          + "\"do_normalize\":true,\"do_rescale\":true,\"do_resize\":true,\"image_mean\":[0.48145466,0.4578275,0.40821073],"
          + "\"image_processor_type\":\"CLIPImageProcessor\",\"image_std\":[0.26862954,0.26130258,0.27577711],\"resample\":3,"
          + "\"rescale_factor\":0.00392156862745098,\"size\":{\"shortest_edge\":336}}";

  @Test
  void readsBothSpellings(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("preprocessor_config.json");
    Files.writeString(file, OLD);
    assertEquals(Preprocessing.clip(ImageMode.CROP, 224), Preprocessing.read(file));
    Files.writeString(file, NEW);
    assertEquals(Preprocessing.clip(ImageMode.CROP, 336), Preprocessing.read(file));
    Files.writeString(file, "{\"image_processor\":" + NEW + ",\"patch_size\":14}");
    assertEquals(Preprocessing.clip(ImageMode.CROP, 336), Preprocessing.read(file));
    Files.writeString(
        file, NEW.replace("\"do_center_crop\":true", "\"do_center_crop\":true,\"do_pad\":true"));
    assertEquals(Preprocessing.clip(ImageMode.PAD, 336), Preprocessing.read(file));
    Files.writeString(
        file, "{\"do_center_crop\":false,\"size\":{\"height\":112,\"width\":112},\"resample\":3}");
    assertEquals(Preprocessing.clip(ImageMode.RESIZE, 112), Preprocessing.read(file));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
          "resample":3 | "resample":2 | resample: expected 3 (bicubic), found 2
          "resample":3 | "resample":"x" | resample: expected 3
          "do_resize":true | "do_resize":false | do_resize: expected true, found false
          "do_normalize":true | "do_normalize":7 | do_normalize: expected true or false
          "do_rescale":true | "do_rescale":false | do_rescale: expected true
          0.00392156862745098 | 0.0078 | rescale_factor: expected 1/255
          "shortest_edge":336 | "shortest_edge":0 | size: expected a whole number
          "shortest_edge":336 | "shortest_edge":1e9 | size: expected a whole number
          "shortest_edge":336 | "longest_edge":336 | size: expected a whole number
          "shortest_edge":336 | "shortest_edge":224 | crop_size: expected 224
          "height":336 | "height":300 | crop_size: expected a square
          [0.26862954,0.26130258,0.27577711] | [0.26862954,0,0.27577711] | image_std: expected
          [0.26862954,0.26130258,0.27577711] | [0.26862954,-1,0.27577711] | image_std: expected
          [0.26862954,0.26130258,0.27577711] | [0.26862954,NaN,0.27577711] | not JSON
          [0.26862954,0.26130258,0.27577711] | [0.26862954,1e999,0.27577711] | image_std: expected
          [0.48145466,0.4578275,0.40821073] | [0.48145466,0.4578275] | image_mean: expected three numbers
          [0.48145466,0.4578275,0.40821073] | [0.4,"NaN",0.40821073] | image_mean: expected three finite
          [0.48145466,0.4578275,0.40821073] | [0.4,122,0.40821073] | image_mean: expected
          "CLIPImageProcessor" | "ViTImageProcessor" | image_processor_type: expected a CLIP
          "do_center_crop":true | "do_center_crop":false | do_center_crop: expected true
          {"crop_size" | [{"crop_size" | not JSON
          """)
  void refusesWhatItCannotDo(String from, String to, String message, @TempDir Path folder)
      throws IOException {
    Path file = folder.resolve("preprocessor_config.json");
    assertTrue(NEW.contains(from), from);
    Files.writeString(
        file,
        NEW.replaceFirst(
            java.util.regex.Pattern.quote(from), java.util.regex.Matcher.quoteReplacement(to)));
    var e = assertThrows(FileException.class, () -> Preprocessing.read(file));
    assertTrue(String.valueOf(e.getMessage()).startsWith(file + ": " + message), e.getMessage());
  }

  @Test
  void refusesNumbersOutOfRange() {
    assertThrows(InputException.class, () -> Preprocessing.clip(ImageMode.PAD, 0));
    assertThrows(InputException.class, () -> Preprocessing.clip(ImageMode.PAD, 5000));
    assertThrows(
        InputException.class,
        () -> new Preprocessing(
            ImageMode.PAD, 14, Preprocessing.CLIP_MEAN, new Channels(1, Double.NaN, 1)));
  }
}
