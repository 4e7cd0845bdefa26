package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** An object of a JSON configuration file; every complaint names the file and the field. */
final class Fields {
  private static final long MOST_BYTES =
      16 << 20; // the largest real config.json has a few kilobytes

  private final Path file;
  private final String path;
  private final JsonNode node;

  private Fields(Path file, String path, JsonNode node) {
    this.file = file;
    this.path = path;
    this.node = node;
  }

  static Fields read(Path file) {
    try {
      long size = Files.size(file);
      if (size > MOST_BYTES) {
        throw FileException.mismatch(file, "file size", "at most " + MOST_BYTES + " bytes", size);
      }
      JsonNode node = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (!node.isObject()) {
        throw FileException.mismatch(file, "top level", "a JSON object", node.getNodeType());
      }
      return new Fields(file, "", node);
    } catch (java.nio.file.NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    } catch (JacksonException e) {
      throw new FileException(file, "not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  Path file() {
    return file;
  }

  boolean isEmpty() {
    return node.isEmpty();
  }

  boolean has(String field) {
    JsonNode n = node.get(field);
    return n != null && !n.isNull();
  }

  boolean isText(String field) {
    JsonNode n = node.get(field);
    return n != null && n.isString();
  }

  /** A nested object; an empty one if it is absent. */
  Fields object(String field) {
    JsonNode n = node.get(field);
    if (n == null || n.isNull()) {
      return new Fields(file, path + field + ".", JsonMapper.shared().createObjectNode());
    }
    if (!n.isObject()) {
      throw wrong(field, "an object", n);
    }
    return new Fields(file, path + field + ".", n);
  }

  int integer(String field, int otherwise) {
    return integer(field, () -> otherwise);
  }

  /** Refuses a file without this field. */
  int integer(String field) {
    return integer(field, () -> {
      throw new FileException(file, "field " + path + field + " is missing");
    });
  }

  private int integer(String field, Supplier<Integer> otherwise) {
    JsonNode n = node.get(field);
    if (n == null || n.isNull()) {
      return otherwise.get();
    }
    if (!n.isIntegralNumber() || !n.canConvertToInt()) {
      throw wrong(field, "a whole number", n);
    }
    return n.intValue();
  }

  double number(String field, double otherwise) {
    JsonNode n = node.get(field);
    if (n == null || n.isNull()) {
      return otherwise;
    }
    if (!n.isNumber() || !Double.isFinite(n.doubleValue())) {
      throw wrong(field, "a finite number", n);
    }
    return n.doubleValue();
  }

  boolean flag(String field, boolean otherwise) {
    JsonNode n = node.get(field);
    if (n == null || n.isNull()) {
      return otherwise;
    }
    if (!n.isBoolean()) {
      throw wrong(field, "true or false", n);
    }
    return n.booleanValue();
  }

  @Nullable
  String text(String field) {
    JsonNode n = node.get(field);
    if (n == null || n.isNull()) {
      return null;
    }
    if (!n.isString()) {
      throw wrong(field, "a string", n);
    }
    return n.stringValue();
  }

  String text(String field, String otherwise) {
    String s = text(field);
    return s == null ? otherwise : s;
  }

  /** A complaint about a field that is there. */
  FileException wrong(String field, String expected, Object found) {
    String shown = String.valueOf(found);
    return FileException.mismatch(
        file,
        "field " + path + field,
        expected,
        shown.length() > 80 ? shown.substring(0, 80) + "…" : shown);
  }
}
