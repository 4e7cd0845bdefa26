package dev.fovea;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.fovea.engine.Features;
import dev.fovea.engine.Runner;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Features of the pictures seen last, so that a picture is encoded once however many questions are asked about it. Found again by its
 * pixels, not by its name.
 */
final class Pictures {
  private static final int MOST = 32;
  private static final long OFFSET = 0xcbf29ce484222325L;

  private final Runner runner;
  private final Preprocessing preprocessing;
  private final Map<Long, Features> kept = new LinkedHashMap<>(16, 0.75f, true);

  private long encoded;

  Pictures(Runner runner, Preprocessing preprocessing) {
    this.runner = runner;
    this.preprocessing = preprocessing;
  }

  /** Features of a picture; encodes it if it is new. Their memory is given back when nobody has them any more. */
  Features look(Picture picture) {
    long hash = hash(picture);
    Features known = kept.get(hash);
    if (known != null) {
      return known;
    }
    int rows = runner.config().vision().features();
    MemorySegment data =
        Arena.ofAuto().allocate(4L * rows * runner.config().decoder().width(), 64);
    runner.encode(preprocessing.resampling(picture), data);
    encoded++;
    Features features = new Features(rows, data, hash);
    kept.put(hash, features);
    if (kept.size() > MOST) {
      kept.remove(kept.keySet().iterator().next());
    }
    return features;
  }

  /** Pictures encoded so far. */
  long encoded() {
    return encoded;
  }

  /**
   * A 64-bit hash of size and bytes: FNV-1a over words, in four strands so that a large picture takes milliseconds, brought together by
   * SplitMix64's mixer so that every bit counts.
   */
  static long hash(Picture picture) {
    MemorySegment data = MemorySegment.ofArray(picture.rgb());
    long a = OFFSET ^ picture.width();
    long b = OFFSET ^ picture.height();
    long c = OFFSET;
    long d = OFFSET;
    long i = 0;
    for (; i + 32 <= data.byteSize(); i += 32) {
      a = step(a, data.get(JAVA_LONG_UNALIGNED, i));
      b = step(b, data.get(JAVA_LONG_UNALIGNED, i + 8));
      c = step(c, data.get(JAVA_LONG_UNALIGNED, i + 16));
      d = step(d, data.get(JAVA_LONG_UNALIGNED, i + 24));
    }
    for (; i < data.byteSize(); i++) {
      a = step(a, data.get(JAVA_BYTE, i));
    }
    return mixed(mixed(mixed(mixed(a) ^ b) ^ c) ^ d);
  }

  private static long step(long h, long word) {
    long x = (h ^ word) * 0x100000001b3L;
    return x ^ (x >>> 29);
  }

  private static long mixed(long h) {
    long x = (h ^ (h >>> 30)) * 0xBF58476D1CE4E5B9L;
    x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
    return x ^ (x >>> 31);
  }
}
