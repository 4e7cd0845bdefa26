package dev.fovea.server;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A JSON object of a request, read field by field. Whatever is wrong with one is told with its path, such as {@code
 * messages[1].content[0].regions[2].box}. A null is an absent field.
 *
 * @param path of the object; empty for the whole request
 */
record Fields(JsonNode node, String path) {
  private static final int MOST_DEPTH = 32;
  private static final int MOST_SHOWN = 80;

  /** What is made of a value. */
  interface Reading<T> {
    T read(JsonNode value, String path);
  }

  static JsonMapper mapper(int mostBytes) {
    JsonFactory factory = JsonFactory.builder()
        .streamReadConstraints(StreamReadConstraints.builder()
            .maxNestingDepth(MOST_DEPTH)
            .maxNumberLength(100)
            .maxNameLength(1000)
            .maxStringLength(mostBytes)
            .build())
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .build();
    return JsonMapper.builder(factory)
        .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
        .build();
  }

  /**
   * The object that a body holds.
   *
   * @throws ApiException if it holds anything else
   */
  static Fields of(JsonMapper mapper, byte[] body) {
    if (body.length == 0) {
      throw ApiException.malformed("the body is empty; expected a JSON object");
    }
    JsonNode node;
    try {
      node = mapper.readTree(body);
    } catch (JacksonException e) {
      String why = String.valueOf(e.getOriginalMessage());
      var at = e.getLocation();
      throw ApiException.malformed("the body is not JSON: " + shorten(why)
          + (at == null ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")"));
    }
    if (!node.isObject()) {
      throw ApiException.malformed("the body: expected a JSON object, found " + kind(node));
    }
    return new Fields(node, "");
  }

  /** An object that stands at a path. */
  static Fields object(JsonNode value, String path) {
    if (!value.isObject()) {
      throw ApiException.mismatch(path, "an object", show(value));
    }
    return new Fields(value, path);
  }

  String at(String field) {
    return path.isEmpty() ? field : path + "." + field;
  }

  boolean has(String field) {
    return value(field) != null;
  }

  @Nullable
  JsonNode value(String field) {
    JsonNode value = node.get(field);
    return value == null || value.isNull() ? null : value;
  }

  JsonNode required(String field, String expected) {
    JsonNode value = value(field);
    if (value == null) {
      throw ApiException.field(at(field), "is missing; expected " + expected);
    }
    return value;
  }

  boolean flag(String field, boolean otherwise) {
    JsonNode value = value(field);
    if (value == null) {
      return otherwise;
    }
    if (!value.isBoolean()) {
      throw ApiException.mismatch(at(field), "true or false", show(value));
    }
    return value.booleanValue();
  }

  long whole(String field, long otherwise, long least, long most) {
    JsonNode value = value(field);
    return value == null ? otherwise : whole(value, at(field), least, most);
  }

  static long whole(JsonNode value, String path, long least, long most) {
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.longValue() < least
        || value.longValue() > most) {
      throw ApiException.mismatch(
          path, "a whole number from " + least + " to " + most, show(value));
    }
    return value.longValue();
  }

  double number(String field, double otherwise, double least, double most) {
    JsonNode value = value(field);
    return value == null ? otherwise : number(value, at(field), least, most);
  }

  static double number(JsonNode value, String path, double least, double most) {
    double number = value.isNumber() ? value.doubleValue() : Double.NaN;
    if (!(number >= least && number <= most)) {
      throw ApiException.mismatch(
          path, "a number from " + plain(least) + " to " + plain(most), show(value));
    }
    return number;
  }

  private static String plain(double bound) {
    return bound == Math.rint(bound) && Math.abs(bound) < 1e15
        ? Long.toString((long) bound)
        : Double.toString(bound);
  }

  String text(String field) {
    return text(required(field, "a string"), at(field));
  }

  String text(String field, String otherwise) {
    JsonNode value = value(field);
    return value == null ? otherwise : text(value, at(field));
  }

  static String text(JsonNode value, String path) {
    if (!value.isString()) {
      throw ApiException.mismatch(path, "a string", show(value));
    }
    return value.stringValue();
  }

  /** An array's values. */
  static <T> List<T> list(JsonNode value, String path, int most, Reading<T> reading) {
    if (!value.isArray()) {
      throw ApiException.mismatch(path, "an array", show(value));
    }
    if (value.size() > most) {
      throw ApiException.mismatch(path, "at most " + most + " of them", value.size());
    }
    List<T> list = new ArrayList<>();
    for (int i = 0; i < value.size(); i++) {
      list.add(reading.read(value.get(i), path + "[" + i + "]"));
    }
    return list;
  }

  /** Names of fields that are not among those known. */
  List<String> others(Collection<String> known) {
    TreeSet<String> others = new TreeSet<>(node.propertyNames());
    others.removeAll(known);
    return List.copyOf(others);
  }

  /** A value in an error: short, and nothing that breaks a line. */
  static String show(JsonNode value) {
    return value.isObject() || value.isArray() ? kind(value) : shorten(value.toString());
  }

  private static String kind(JsonNode value) {
    return switch (value.getNodeType()) {
      case ARRAY -> "an array";
      case OBJECT -> "an object";
      case STRING -> "a string";
      case NUMBER -> "a number";
      case BOOLEAN -> "a boolean";
      case NULL -> "null";
      default -> "nothing";
    };
  }

  static String shorten(String text) {
    StringBuilder line = new StringBuilder();
    text.codePoints()
        .limit(MOST_SHOWN)
        .forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return text.codePointCount(0, text.length()) > MOST_SHOWN ? line + "…" : line.toString();
  }
}
