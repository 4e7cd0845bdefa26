package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.weights.Packing;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Reads the dims of the three parts from {@code config.json} files. */
final class Configs {
  private Configs() {}

  /** Blames a file for numbers that make no sense, alone or together. */
  static <T> T from(Path file, Supplier<T> dims) {
    try {
      return dims.get();
    } catch (InputException e) {
      throw new FileException(file, String.valueOf(e.getMessage()), e);
    }
  }

  /**
   * A LlamaConfig; absent fields take transformers' defaults, which are LLaMA-7B's.
   *
   * @param c the object that holds hidden_size and the like
   */
  static DecoderConfig decoder(Fields c) {
    String type = c.text("model_type", "llama");
    if (!type.equals("llama")
        && !type.startsWith("llava")
        && !type.equals("mmgpt")
        && !type.equals("vicuna")) {
      throw c.wrong("model_type", "llama", type);
    }
    String act = c.text("hidden_act", "silu");
    if (!act.equals("silu")) {
      throw c.wrong("hidden_act", "silu", act);
    }
    for (String biased : new String[] {"attention_bias", "mlp_bias"}) {
      if (c.flag(biased, false)) {
        throw c.wrong(biased, "false: LLaMA's maps have no biases", true);
      }
    }
    int width = c.integer("hidden_size", 4096);
    int heads = c.integer("num_attention_heads", 32);
    int layers = c.integer("num_hidden_layers", 32);
    if (heads < 1) {
      throw c.wrong("num_attention_heads", "1 or more", heads);
    }
    int context = c.integer("max_position_embeddings", c.integer("max_sequence_length", 2048));
    Fields rope = c.object("rope_parameters"); // transformers 5 keeps theta and scaling here
    return from(
        c.file(),
        () -> new DecoderConfig(
            width,
            c.integer("intermediate_size", 11008),
            layers,
            heads,
            c.integer("num_key_value_heads", heads),
            c.integer("head_dim", width / heads),
            c.integer("vocab_size", 32000),
            context,
            c.number("rms_norm_eps", 1e-6),
            c.number("rope_theta", rope.number("rope_theta", 10000)),
            positionScale(c, rope),
            false));
  }

  /** Only linear stretching changes nothing but the positions; other kinds are refused by name. */
  private static double positionScale(Fields c, Fields rope) {
    Fields scaling = c.has("rope_scaling") ? c.object("rope_scaling") : rope;
    String type = scaling.text("rope_type", scaling.text("type", "default"));
    return switch (type) {
      case "default" -> 1;
      case "linear" -> 1 / scaling.number("factor", 1);
      default -> throw scaling.wrong("rope_type", "default or linear", type);
    };
  }

  /**
   * A CLIPVisionConfig. Absent fields take transformers' defaults: those of ViT-B/32 inside an object that is there, those of LLaVA's own
   * ViT-L/14 if it is empty.
   *
   * @param imageSize pictures' side if the object is empty
   * @param featureLayer which hidden state the features are, as configurations count: −2 is the last but one
   */
  static VisionConfig vision(Fields c, int imageSize, int featureLayer, VisionTower.Keep keep) {
    boolean large = c.isEmpty();
    int layers = c.integer("num_hidden_layers", large ? 24 : 12);
    String act = c.text("hidden_act", "quick_gelu");
    if (!act.equals("quick_gelu") && !act.equals("gelu")) {
      throw c.wrong("hidden_act", "quick_gelu or gelu", act);
    }
    int run = VisionConfig.blocksFor(featureLayer, layers);
    if (run < 0 || run > layers) {
      throw c.wrong("num_hidden_layers", "enough layers for feature layer " + featureLayer, layers);
    }
    return from(
        c.file(),
        () -> new VisionConfig(
            c.integer("image_size", large ? imageSize : 224),
            c.integer("patch_size", large ? 14 : 32),
            c.integer("hidden_size", large ? 1024 : 768),
            c.integer("num_attention_heads", large ? 16 : 12),
            c.integer("intermediate_size", large ? 4096 : 3072),
            layers,
            run,
            c.number("layer_norm_eps", 1e-5),
            act.equals("gelu"),
            keep));
  }

  /**
   * How linear maps are packed by what {@code quantization_config} says, or null without one. Both transformers' names of its fields
   * and AutoAWQ's own are read.
   */
  static @Nullable Packing packing(Fields config) {
    if (!config.has("quantization_config")) {
      return null;
    }
    Fields q = config.object("quantization_config");
    String method = q.text("quant_method", "none").toLowerCase(Locale.ROOT);
    if (!method.equals("awq") && !method.equals("gptq")) {
      throw q.wrong("quant_method", "awq or gptq", method);
    }
    expect(q, q.has("w_bit") ? "w_bit" : "bits", 4);
    expect(q, q.has("q_group_size") ? "q_group_size" : "group_size", 128);
    boolean awq = method.equals("awq");
    String field = q.has("version") && awq
        ? "version"
        : q.has("checkpoint_format") ? "checkpoint_format" : "format";
    String format = q.text(field, awq ? "gemm" : "gptq").toLowerCase(Locale.ROOT);
    if (awq) {
      if (!format.equals("gemm")) {
        throw q.wrong(field, "gemm", format);
      }
      return q.flag("zero_point", true) ? Packing.AWQ : Packing.AWQ_SYMMETRIC;
    }
    if (q.flag("desc_act", false)) {
      throw q.wrong("desc_act", "false: groups of inputs in their order", true);
    }
    return switch (format) {
      case "gptq" -> Packing.GPTQ;
      case "gptq_v2" -> Packing.GPTQ_V2;
      default -> throw q.wrong(field, "gptq or gptq_v2", format);
    };
  }

  private static void expect(Fields q, String field, int expected) {
    int found = q.integer(field);
    if (found != expected) {
      throw q.wrong(field, String.valueOf(expected), found);
    }
  }

  /** LlavaForConditionalGeneration's projector: two maps, with GELU between or nothing. */
  static ProjectorConfig hfProjector(Fields c) {
    String act = c.text("projector_hidden_act", "gelu");
    boolean bias = c.flag("multimodal_projector_bias", true);
    return switch (act) {
      case "gelu" -> new ProjectorConfig(2, true, bias);
      case "linear", "identity" -> new ProjectorConfig(2, false, bias);
      default -> throw c.wrong("projector_hidden_act", "gelu or linear", act);
    };
  }

  /** Original LLaVA's projector by name; a missing name means linear. */
  static ProjectorConfig llavaProjector(Fields c) {
    String type = c.text("mm_projector_type", "linear");
    if (type.equals("linear")) {
      return ProjectorConfig.linear();
    }
    if (type.matches("mlp[2-8]x_gelu")) {
      return new ProjectorConfig(type.charAt(3) - '0', true, true);
    }
    throw c.wrong("mm_projector_type", "linear or mlp2x_gelu", type);
  }

  /** HF: {@code default} drops the class token, {@code full} keeps it. */
  static VisionTower.Keep hfKeep(Fields c) {
    String strategy = c.text("vision_feature_select_strategy", "default");
    return switch (strategy) {
      case "default" -> VisionTower.Keep.PATCH;
      case "full" -> VisionTower.Keep.CLS_PATCH;
      default -> throw c.wrong("vision_feature_select_strategy", "default or full", strategy);
    };
  }

  /** Original LLaVA: {@code patch} or {@code cls_patch}. */
  static VisionTower.Keep llavaKeep(Fields c) {
    String feature = c.text("mm_vision_select_feature", "patch");
    return switch (feature) {
      case "patch" -> VisionTower.Keep.PATCH;
      case "cls_patch" -> VisionTower.Keep.CLS_PATCH;
      default -> throw c.wrong("mm_vision_select_feature", "patch or cls_patch", feature);
    };
  }
}
