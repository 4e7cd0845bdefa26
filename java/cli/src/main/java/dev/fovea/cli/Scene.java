package dev.fovea.cli;

import dev.fovea.error.FileException;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A picture of which it is known what is where.
 *
 * @param image file name
 */
record Scene(String image, List<Thing> objects) {

  /**
   * A thing in a scene.
   *
   * @param box x1, y1, x2, y2 in pixels
   */
  record Thing(String name, List<Double> box) {
    Region region() {
      return new Region.Box(box.get(0), box.get(1), box.get(2), box.get(3), Units.PIXEL);
    }

    /** Words and numbers to read are in capitals or digits, kinds of things in small letters. */
    boolean isText() {
      return name.chars().noneMatch(Character::isLowerCase);
    }
  }

  /** Reads {@code scenes.json}. */
  static List<Scene> list(Path file) {
    JsonNode root = parse(file);
    if (!root.isArray()) {
      throw FileException.mismatch(file, "content", "a list of scenes", root.getNodeType());
    }
    List<Scene> scenes = new ArrayList<>();
    for (JsonNode node : root) {
      scenes.add(of(file, node));
    }
    return scenes;
  }

  static JsonNode parse(Path file) {
    try {
      return parse(file, Files.readAllBytes(file));
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  static JsonNode parse(Path file, byte[] json) {
    try {
      return JsonMapper.shared().readTree(json);
    } catch (JacksonException e) {
      throw new FileException(file, "is not JSON: " + e.getOriginalMessage(), e);
    }
  }

  /** One scene of the form {@code {"image", "objects": [{"name", "box"}]}}. */
  static Scene of(Path file, JsonNode node) {
    List<Thing> things = new ArrayList<>();
    for (JsonNode object : node.path("objects")) {
      things.add(new Thing(text(file, object, "name"), numbers(file, object, "box", 4)));
    }
    return new Scene(text(file, node, "image"), things);
  }

  static String text(Path file, JsonNode node, String field) {
    JsonNode value = node.path(field);
    if (!value.isString()) {
      throw FileException.mismatch(file, "field " + field, "text", value);
    }
    return value.stringValue();
  }

  static List<Double> numbers(Path file, JsonNode node, String field, int count) {
    List<Double> numbers = new ArrayList<>();
    for (JsonNode value : node.path(field)) {
      if (value.isNumber()) {
        numbers.add(value.doubleValue());
      }
    }
    if (numbers.size() != count) {
      throw FileException.mismatch(file, "field " + field, count + " numbers", node.path(field));
    }
    return numbers;
  }
}
