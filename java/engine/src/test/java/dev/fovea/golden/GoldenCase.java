package dev.fovea.golden;

import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.ImageMode;
import dev.fovea.model.image.Picture;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One committed golden: its hyper-parameters and its numbers. */
record GoldenCase(String name, JsonNode json, ByteBuffer bin) {

  static GoldenCase load(String name) {
    try (InputStream json = open(name + ".json");
        InputStream bin = open(name + ".bin")) {
      return new GoldenCase(
          name,
          JsonMapper.shared().readTree(json),
          ByteBuffer.wrap(bin.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static InputStream open(String file) {
    return Objects.requireNonNull(GoldenCase.class.getResourceAsStream("/golden/" + file), file);
  }

  JsonNode at(String... path) {
    JsonNode n = json;
    for (String p : path) {
      n = n.get(p);
    }
    return n;
  }

  int integer(String... path) {
    return at(path).asInt();
  }

  ModelConfig config() {
    int layers = integer("case", "vision", "num_hidden_layers");
    VisionConfig vision = new VisionConfig(
        integer("case", "vision", "image_size"),
        integer("case", "vision", "patch_size"),
        integer("case", "vision", "hidden_size"),
        integer("case", "vision", "num_attention_heads"),
        integer("case", "vision", "intermediate_size"),
        layers,
        VisionConfig.blocksFor(integer("case", "vision", "feature_layer"), layers),
        at("case", "vision", "layer_norm_eps").asDouble(),
        false,
        VisionTower.Keep.PATCH);
    DecoderConfig decoder = new DecoderConfig(
        integer("case", "text", "hidden_size"),
        integer("case", "text", "intermediate_size"),
        integer("case", "text", "num_hidden_layers"),
        integer("case", "text", "num_attention_heads"),
        integer("case", "text", "num_key_value_heads"),
        integer("case", "text", "head_dim"),
        integer("case", "text", "vocab_size"),
        integer("case", "text", "max_position_embeddings"),
        at("case", "text", "rms_norm_eps").asDouble(),
        at("case", "text", "rope_theta").asDouble(),
        1,
        false);
    boolean linear = at("case", "projector").asString().equals("linear");
    return new ModelConfig(
        vision, linear ? ProjectorConfig.linear() : ProjectorConfig.mlp2xGelu(), decoder);
  }

  DType dtype() {
    return DType.parse(at("case", "dtype").asString());
  }

  ImageMode mode() {
    return ImageMode.valueOf(at("case", "mode").asString().toUpperCase(java.util.Locale.ROOT));
  }

  List<Picture> pictures() {
    List<Picture> pictures = new ArrayList<>();
    for (JsonNode n : at("case", "images")) {
      pictures.add(n.asInt() == 1 ? picture(640, 427, true) : picture(300, 400, false));
    }
    return pictures;
  }

  private static Picture picture(int width, int height, boolean first) {
    byte[] rgb = new byte[width * height * 3];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int i = (y * width + x) * 3;
        rgb[i] = (byte) (first ? 37 * x + 11 * y : 13 * x + 7 * y + 50);
        rgb[i + 1] = (byte) (first ? 91 * x + 53 * y : x * y);
        rgb[i + 2] = (byte) (first ? 17 * x * y + 29 : 5 * x + 3 * y * y);
      }
    }
    return new Picture(width, height, rgb);
  }

  /** Token ids, pictures' rows counted through as −1, −2, … */
  List<Integer> prompt() {
    List<Integer> ids = new ArrayList<>();
    int row = 0;
    for (JsonNode n : at("prompt_ids")) {
      if (n.asInt() == -200) {
        for (int i = 0; i < integer("patches"); i++) {
          ids.add(-1 - row++);
        }
      } else {
        ids.add(n.asInt());
      }
    }
    return ids;
  }

  List<Integer> integers(String key) {
    List<Integer> list = new ArrayList<>();
    at(key).forEach(n -> list.add(n.asInt()));
    return list;
  }

  /** One number of a section. */
  float number(String section, int... index) {
    JsonNode shape = at("sections", section, "shape");
    int flat = 0;
    for (int i = 0; i < index.length; i++) {
      flat = flat * shape.get(i).asInt() + index[i];
    }
    return bin.getFloat(integer("sections", section, "offset") + 4 * flat);
  }

  int argmax(int position) {
    return bin.getInt(integer("sections", "argmax", "offset") + 4 * position);
  }
}
