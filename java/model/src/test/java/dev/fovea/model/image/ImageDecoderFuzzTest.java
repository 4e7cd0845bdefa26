package dev.fovea.model.image;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.error.FileException;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Any bytes at all are either a picture or refused; nothing else may come out. */
class ImageDecoderFuzzTest {

  /** Small enough that an input costs milliseconds. */
  private static final ImageDecoder SMALL = new ImageDecoder(1 << 20, 1 << 14, 1 << 20, true);

  static Stream<Arguments> seeds() {
    return Stream.of(
            "rgb.png",
            "palette2.png",
            "palette.bmp",
            "bits565.bmp",
            "offset.gif",
            "lossless.webp",
            "animated.webp",
            "lossy-alpha.webp",
            "lossy-partitions.webp",
            "lossy-simple.webp",
            "progressive.jpg",
            "cmyk.jpg")
        .map(name -> Arguments.of((Object) Goldens.bytes(name)));
  }

  @MethodSource("seeds")
  @FuzzTest(maxDuration = "20s")
  void decodesOrRefuses(byte[] file) {
    try {
      SMALL.decode(file, "fuzz");
    } catch (FileException refused) {
      if (!String.valueOf(refused.getMessage()).startsWith("fuzz: ")) {
        throw refused;
      }
    }
  }
}
