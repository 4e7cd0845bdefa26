package dev.fovea;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.engine.Features;
import dev.fovea.engine.Runner;
import dev.fovea.golden.TinyModel;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PicturesTest {
  private static final int WIDTH = 9;
  private static final int HEIGHT = 5;

  /** 135 bytes: whole words for every strand of the hash, and some behind them. */
  private static byte[] noise() {
    byte[] rgb = new byte[3 * WIDTH * HEIGHT];
    new SplittableRandom(7).nextBytes(rgb);
    return rgb;
  }

  @Test
  void everyBitAndTheSizeCount() {
    Set<Long> hashes = new HashSet<>();
    assertTrue(hashes.add(Pictures.hash(new Picture(WIDTH, HEIGHT, noise()))));
    assertTrue(hashes.add(Pictures.hash(new Picture(HEIGHT, WIDTH, noise()))), "sides exchanged");
    assertTrue(hashes.add(Pictures.hash(new Picture(3 * HEIGHT, WIDTH / 3, noise()))), "wider");
    for (int bit = 0; bit < 8 * noise().length; bit++) {
      byte[] other = noise();
      other[bit / 8] ^= (byte) (1 << bit % 8);
      assertTrue(hashes.add(Pictures.hash(new Picture(WIDTH, HEIGHT, other))), "bit " + bit);
    }
    assertEquals(
        Pictures.hash(new Picture(WIDTH, HEIGHT, noise())),
        Pictures.hash(new Picture(WIDTH, HEIGHT, noise())));
  }

  @Test
  void knowsAPictureByItsBytes() {
    ModelConfig config = TinyModel.CONFIG;
    Runner.Sizes sizes =
        new Runner.Sizes(16, 4, 4, DType.F32, 4, 1, config.decoder().vocabulary());
    try (Arena arena = Arena.ofShared();
        Device device = Backend.named("cpu").open(new DeviceOptions(1, null));
        Runner runner = new Runner(device, config, TinyModel.parameters(arena, DType.F32), sizes)) {
      Pictures pictures =
          new Pictures(runner, Preprocessing.clip(ImageMode.PAD, config.vision().imageSize()));
      Features first = pictures.look(new Picture(WIDTH, HEIGHT, noise()));
      assertSame(first, pictures.look(new Picture(WIDTH, HEIGHT, noise())));
      byte[] other = noise();
      other[1]++;
      Features second = pictures.look(new Picture(WIDTH, HEIGHT, other));
      assertNotEquals(-1, first.data().mismatch(second.data()), "another picture's features");
    }
  }
}
