package dev.fovea.weights.convert;

import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The sizes of a LLaVA-like model: what a converter must know that tensors alone do not say.
 *
 * @param name for people
 * @param linearProjector one linear map (LLaVA 1, ChatSpot) instead of linear, GELU, linear (LLaVA 1.5)
 * @param visionBlocksRun blocks of the vision tower that are run: 23 of 24 where features are taken from layer −2
 */
public record ModelShape(
    String name, Text text, Vision vision, boolean linearProjector, int visionBlocksRun) {

  /** The decoder: vocabulary rows, widths, counts, RMSNorm's ε, RoPE's θ, positions it was trained for. */
  public record Text(
      int vocabulary,
      int hidden,
      int feedForward,
      int layers,
      int heads,
      int kvHeads,
      int headWidth,
      double normEpsilon,
      double ropeTheta,
      int context) {}

  /** The vision tower: widths, counts, pixels per patch and image side, LayerNorm's ε, normalisation of R, G and B. */
  public record Vision(
      int hidden,
      int feedForward,
      int blocks,
      int heads,
      int patch,
      int image,
      double normEpsilon,
      List<Double> mean,
      List<Double> std) {
    public Vision {
      mean = List.copyOf(mean);
      std = List.copyOf(std);
    }

    /** Rows of the position table: the patches and the class token. */
    public int positions() {
      return (image / patch) * (image / patch) + 1;
    }
  }

  /** CLIP's normalisation (openai/CLIP, clip.py). */
  public static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);

  public static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);

  /** A size that has a name: {@code llava-1.5-7b}, {@code chatspot-7b}, {@code tiny} or {@code tiny-linear}. */
  public static ModelShape named(String name) {
    return switch (name) {
      case "llava-1.5-7b" ->
        new ModelShape(
            name,
            new Text(32064, 4096, 11008, 32, 32, 32, 128, 1e-5, 10000, 4096),
            new Vision(1024, 4096, 24, 16, 14, 336, 1e-5, CLIP_MEAN, CLIP_STD),
            false,
            23);
      case "chatspot-7b" ->
        new ModelShape(
            name,
            new Text(32003, 4096, 11008, 32, 32, 32, 128, 1e-6, 10000, 2048),
            new Vision(1024, 4096, 24, 16, 14, 224, 1e-5, CLIP_MEAN, CLIP_STD),
            true,
            23);
      case "tiny" ->
        new ModelShape(
            name,
            new Text(32000, 256, 352, 2, 2, 2, 128, 1e-5, 10000, 4096),
            new Vision(128, 256, 3, 2, 14, 336, 1e-5, CLIP_MEAN, CLIP_STD),
            false,
            2);
      case "tiny-linear" ->
        new ModelShape(
            name,
            new Text(32003, 256, 352, 2, 2, 2, 128, 1e-6, 10000, 2048),
            new Vision(128, 256, 3, 2, 14, 224, 1e-5, CLIP_MEAN, CLIP_STD),
            true,
            2);
      default ->
        throw InputException.mismatch(
            "model shape", "llava-1.5-7b, chatspot-7b, tiny or tiny-linear", name);
    };
  }

  /** The same model with that many stored vision blocks. */
  public ModelShape withVisionBlocks(int blocks) {
    Vision v = vision;
    return new ModelShape(
        name,
        text,
        new Vision(
            v.hidden,
            v.feedForward,
            blocks,
            v.heads,
            v.patch,
            v.image,
            v.normEpsilon,
            v.mean,
            v.std),
        linearProjector,
        visionBlocksRun);
  }

  /** Canonical names and sizes of the decoder's tensors, in the order they are written. */
  public Map<String, List<Long>> textTensors() {
    Map<String, List<Long>> t = new LinkedHashMap<>();
    long d = text.hidden;
    long f = text.feedForward;
    long q = (long) text.heads * text.headWidth;
    long kv = (long) text.kvHeads * text.headWidth;
    t.put("embed", List.of((long) text.vocabulary, d));
    for (int i = 0; i < text.layers; i++) {
      String layer = "layers." + i + ".";
      t.put(layer + "attn_norm", List.of(d));
      t.put(layer + "q", List.of(q, d));
      t.put(layer + "k", List.of(kv, d));
      t.put(layer + "v", List.of(kv, d));
      t.put(layer + "o", List.of(d, q));
      t.put(layer + "ffn_norm", List.of(d));
      t.put(layer + "gate", List.of(f, d));
      t.put(layer + "up", List.of(f, d));
      t.put(layer + "down", List.of(d, f));
    }
    t.put("norm", List.of(d));
    t.put("lm_head", List.of((long) text.vocabulary, d));
    return t;
  }

  /** Canonical names and sizes of the vision tower's and the projector's tensors. */
  public Map<String, List<Long>> imageTensors() {
    Map<String, List<Long>> t = new LinkedHashMap<>();
    long e = vision.hidden;
    long f = vision.feedForward;
    long p = vision.patch;
    t.put("vision.class", List.of(e));
    t.put("vision.patch", List.of(e, 3L, p, p));
    t.put("vision.position", List.of((long) vision.positions(), e));
    pair(t, "vision.pre_norm", e);
    for (int i = 0; i < vision.blocks; i++) {
      String block = "vision.blocks." + i + ".";
      pair(t, block + "norm1", e);
      for (String n : List.of("q", "k", "v", "o")) {
        pair(t, block + n, e, e);
      }
      pair(t, block + "norm2", e);
      pair(t, block + "fc1", f, e);
      pair(t, block + "fc2", e, f);
    }
    pair(t, "vision.post_norm", e);
    pair(t, "projector.0", text.hidden, e);
    if (!linearProjector) {
      pair(t, "projector.1", text.hidden, (long) text.hidden);
    }
    return t;
  }

  private static void pair(Map<String, List<Long>> t, String name, long... dims) {
    List<Long> weight = new ArrayList<>();
    for (long d : dims) {
      weight.add(d);
    }
    t.put(name + ".weight", weight);
    t.put(name + ".bias", List.of(dims[0]));
  }
}
