package dev.fovea.weights.synth;

import dev.fovea.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The numbers of one synthetic tensor, each a pure function of (seed, tensor name, index), so that any language can make the same.
 *
 * <p>All arithmetic is modulo 2^64. G = 0x9E3779B97F4A7C15; key = fnv1a64(UTF-8 name) ^ (seed·G); the i-th draw is
 * z = mix(key + (i+1)·G) with splitmix64's finalizer (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195), u = (z>>>40)·2^-24. In
 * binary32, v = 2u−1 and the element is v·scale, or 1 + 0.1·v for the weight of a norm. The scale is 0.5 for embeddings (tokens,
 * class, positions), 0.1 for biases, and 1.2/√inputs for linear maps and the patch convolution: that keeps activations finite
 * through many layers. Names are those of {@code hf-llava} with {@code vision_model.}; indices count Hugging Face's row-major order.
 */
final class Draw {
  static final long G = 0x9E3779B97F4A7C15L;
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final long key;
  private final boolean norm;
  private final float scale;

  /**
   * The numbers of a tensor.
   *
   * @param canonical says which kind of tensor it is
   * @param name what is hashed
   */
  Draw(String canonical, String name, List<Long> dims, long seed) {
    this.key = fnv1a64(name) ^ (seed * G);
    this.norm = canonical.contains("norm") && !canonical.endsWith(".bias");
    this.scale = scale(canonical, dims);
  }

  private static float scale(String canonical, List<Long> dims) {
    return switch (canonical) {
      case "embed", "vision.class", "vision.position" -> 0.5f;
      case String s when s.endsWith(".bias") -> 0.1f;
      default -> {
        long inputs = 1;
        for (long d : dims.subList(1, dims.size())) {
          inputs *= d;
        }
        yield (float) (1.2 / Math.sqrt((double) inputs));
      }
    };
  }

  static long fnv1a64(String text) {
    long h = 0xCBF29CE484222325L;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * 0x100000001B3L;
    }
    return h;
  }

  static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /** Elements {@code first}, {@code first}+1, … */
  void floats(long first, float[] to, int n) {
    long state = key + first * G;
    for (int i = 0; i < n; i++) {
      state += G;
      float v = 2 * ((mix(state) >>> 40) * 0x1p-24f) - 1;
      to[i] = norm ? 1f + 0.1f * v : v * scale;
    }
  }

  /**
   * Random blocks of a quantized type, without going through floats: not the numbers of {@link #floats}, but of the same standard
   * deviation. A block takes the draws of its bytes, eight to a draw, then one for its scale: 0.75 to 1.25 times what gives that
   * deviation, of either sign, since the quants' mean is −½.
   *
   * @param first number of the first block, counted through the file's rows
   */
  void blocks(DType dtype, long first, MemorySegment to, int n) {
    int words = (dtype.blockBytes() - 2) / 8;
    // Standard deviation of uniform numbers in ±scale, over that of 16 or 256 equally likely quants
    // around −½.
    double levels = dtype == DType.Q4_0 ? 16 : 256;
    double d = scale / Math.sqrt(3) / Math.sqrt((levels * levels - 1) / 12 + 0.25);
    long state = key + first * (words + 1) * G;
    for (int b = 0; b < n; b++) {
      long at = (long) b * dtype.blockBytes();
      for (int w = 0; w < words; w++) {
        state += G;
        to.set(LONG, at + 2 + 8L * w, mix(state));
      }
      state += G;
      long z = mix(state);
      double size = d * (0.75 + 0.5 * ((z >>> 40) * 0x1p-24));
      to.set(SHORT, at, Float.floatToFloat16((float) ((z & 1) == 0 ? size : -size)));
    }
  }
}
