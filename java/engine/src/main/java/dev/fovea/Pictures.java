package dev.fovea;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.engine.Features;
import dev.fovea.engine.Runner;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Features of the pictures seen last, so that a picture is encoded once however many questions are asked about it. Found again by what the
 * tower sees of a picture, not by its name.
 */
final class Pictures implements AutoCloseable {
  private static final int MOST = 32;

  private record Kept(Features features, Arena arena) {}

  private final Runner runner;
  private final Preprocessing preprocessing;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment pixels;
  private final Map<Long, Kept> kept = new LinkedHashMap<>(16, 0.75f, true);

  Pictures(Runner runner, Preprocessing preprocessing) {
    this.runner = runner;
    this.preprocessing = preprocessing;
    int side = preprocessing.size();
    this.pixels = arena.allocate(4L * 3 * side * side, 64);
  }

  /** Features of a picture, valid until {@code MOST} others were asked for; encodes it if it is new. */
  Features look(Picture picture) {
    preprocessing.write(picture, pixels);
    long hash = hash(pixels);
    Kept known = kept.get(hash);
    if (known != null) {
      return known.features();
    }
    int rows = runner.config().vision().features();
    Arena own = Arena.ofShared();
    MemorySegment data = own.allocate(4L * rows * runner.config().decoder().width(), 64);
    runner.encode(pixels, data);
    Features features = new Features(rows, data, hash);
    kept.put(hash, new Kept(features, own));
    if (kept.size() > MOST) {
      var oldest = kept.entrySet().iterator().next();
      oldest.getValue().arena().close();
      kept.remove(oldest.getKey());
    }
    return features;
  }

  /** A 64-bit hash of all bytes: FNV-1a over words, finished by SplitMix64's mixer so that every bit counts. */
  private static long hash(MemorySegment data) {
    long h = 0xcbf29ce484222325L;
    for (long i = 0; i < data.byteSize() / 8; i++) {
      h = (h ^ data.getAtIndex(JAVA_LONG, i)) * 0x100000001b3L;
      h ^= h >>> 29;
    }
    h = (h ^ (h >>> 30)) * 0xBF58476D1CE4E5B9L;
    h = (h ^ (h >>> 27)) * 0x94D049BB133111EBL;
    return h ^ (h >>> 31);
  }

  @Override
  public void close() {
    kept.values().forEach(k -> k.arena().close());
    arena.close();
  }
}
