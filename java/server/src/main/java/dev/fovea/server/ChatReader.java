package dev.fovea.server;

import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.error.InputException;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * Reads the body of {@code POST /v1/chat/completions}: OpenAI's fields, and regions on pictures. A picture's part may list {@code regions:
 * [{id, box | point | polygon}]}; a text refers to one as {@code <id>}, in its message or a later one. A reference to no region and a region
 * without a reference are errors: a question about another spot than was meant must not be answered.
 */
final class ChatReader {
  private static final int MOST_MESSAGES = 1024;
  private static final int MOST_PARTS = 256;
  private static final int MOST_REGIONS = 256;
  private static final int MOST_CHOICES = 16;
  private static final int MOST_TOP = 20;

  private static final Set<String> KNOWN = Stream.concat(
          GenerationReader.FIELDS.stream(),
          Stream.of(
              "model",
              "messages",
              "n",
              "stream",
              "stream_options",
              "logprobs",
              "top_logprobs",
              "user",
              "response_format"))
      .collect(Collectors.toUnmodifiableSet());

  /** Fields whose meaning cannot be given, so that leaving them out would answer another question. */
  private static final List<String> UNSUPPORTED =
      List.of("tools", "functions", "audio", "modalities", "prediction", "web_search_options");

  private static final Pattern ID = Pattern.compile("[A-Za-z][A-Za-z0-9_-]{0,31}");
  private static final Pattern REFERENCE = Pattern.compile("<((?:r|region)[0-9]{1,9})>");

  private final BiFunction<String, String, Picture> pictureOf;
  private final int mostPictures;
  private final List<ChatRequest.NamedPicture> pictures = new ArrayList<>();
  private final List<ChatRequest.Spot> spots = new ArrayList<>();
  private final Set<String> used = new HashSet<>();

  private ChatReader(BiFunction<String, String, Picture> pictureOf, int mostPictures) {
    this.pictureOf = pictureOf;
    this.mostPictures = mostPictures;
  }

  /**
   * Reads a request.
   *
   * @param pictureOf a URL and the field that holds it to a picture
   * @throws ApiException naming the field that is wrong
   */
  static ChatRequest read(
      Fields body, BiFunction<String, String, Picture> pictureOf, int mostPictures) {
    return new ChatReader(pictureOf, mostPictures).request(body);
  }

  private ChatRequest request(Fields body) {
    for (String field : UNSUPPORTED) {
      JsonNode value = body.value(field);
      if (value != null && !value.isEmpty()) {
        throw ApiException.field(field, "is not supported");
      }
    }
    JsonNode format = body.value("response_format");
    if (format != null) {
      String type = Fields.object(format, "response_format").text("type");
      if (!type.equals("text")) {
        throw ApiException.mismatch("response_format.type", "text", Fields.shorten(type));
      }
    }
    boolean logprobs = body.flag("logprobs", false);
    int top = (int) body.whole("top_logprobs", 0, 0, MOST_TOP);
    if (top > 0 && !logprobs) {
      throw ApiException.field("top_logprobs", "needs logprobs: true");
    }
    boolean stream = body.flag("stream", false);
    JsonNode streaming = body.value("stream_options");
    if (streaming != null && !stream) {
      throw ApiException.field("stream_options", "needs stream: true");
    }
    boolean usage = streaming != null
        && Fields.object(streaming, "stream_options").flag("include_usage", false);
    Generation generation = GenerationReader.read(body, logprobs ? Math.max(1, top) : 0);
    int choices = (int) body.whole("n", 1, 1, MOST_CHOICES);
    String model = body.has("model") ? body.text("model") : null;
    List<JsonNode> messages = Fields.list(
        body.required("messages", "an array of messages"), "messages", MOST_MESSAGES, (m, at) -> m);
    if (messages.isEmpty()) {
      throw ApiException.mismatch("messages", "one or more", "none");
    }
    String system = null;
    List<ChatRequest.Exchange> history = new ArrayList<>();
    Question open = null;
    for (int i = 0; i < messages.size(); i++) {
      Fields message = Fields.object(messages.get(i), "messages[" + i + "]");
      String role = message.text("role");
      switch (role) {
        case "system", "developer" -> {
          if (i > 0) {
            throw ApiException.mismatch(
                message.at("role"), "user or assistant after the first", role);
          }
          system = plain(message);
        }
        case "user" -> {
          if (open != null) {
            throw ApiException.mismatch(
                message.at("role"), "assistant, since it is its turn", role);
          }
          open = question(message);
        }
        case "assistant" -> {
          if (open == null) {
            throw ApiException.mismatch(message.at("role"), "user, since it is its turn", role);
          }
          history.add(new ChatRequest.Exchange(open, plain(message)));
          open = null;
        }
        default ->
          throw ApiException.mismatch(
              message.at("role"), "system, user or assistant", Fields.shorten(role));
      }
    }
    if (open == null) {
      throw ApiException.field("messages", "the last one must be the user's");
    }
    for (ChatRequest.Spot spot : spots) {
      if (!used.contains(spot.id())) {
        throw ApiException.field(
            spot.field(), "no text refers to it; expected " + spot.mark() + " in a text part");
      }
    }
    return new ChatRequest(
        model,
        system,
        history,
        open,
        List.copyOf(pictures),
        List.copyOf(spots),
        generation,
        choices,
        stream,
        usage,
        logprobs,
        top,
        body.others(KNOWN));
  }

  /** A message of text alone. */
  private static String plain(Fields message) {
    JsonNode content = message.required("content", "a string");
    if (content.isString()) {
      return content.stringValue();
    }
    return String.join("\n", Fields.list(content, message.at("content"), MOST_PARTS, (part, at) -> {
      Fields fields = Fields.object(part, at);
      String type = fields.text("type");
      if (!type.equals("text")) {
        throw ApiException.mismatch(fields.at("type"), "text", Fields.shorten(type));
      }
      return fields.text("text");
    }));
  }

  private Question question(Fields message) {
    JsonNode content = message.required("content", "a string or an array of parts");
    List<String> texts = new ArrayList<>();
    List<String> fields = new ArrayList<>();
    List<Picture> fresh = new ArrayList<>();
    if (content.isString()) {
      texts.add(content.stringValue());
      fields.add(message.at("content"));
    } else {
      Fields.list(content, message.at("content"), MOST_PARTS, (node, at) -> {
        Fields part = Fields.object(node, at);
        String type = part.text("type");
        switch (type) {
          case "text" -> {
            texts.add(part.text("text"));
            fields.add(part.at("text"));
          }
          case "image_url" -> fresh.add(picture(part));
          default ->
            throw ApiException.mismatch(part.at("type"), "text or image_url", Fields.shorten(type));
        }
        return at;
      });
    }
    for (int i = 0; i < texts.size(); i++) {
      references(texts.get(i), fields.get(i));
    }
    String text = String.join("\n", texts);
    if (text.isBlank()) {
      throw ApiException.mismatch(message.at("content"), "words", "none");
    }
    Question question = new Question(text, fresh, List.of(), false);
    for (ChatRequest.Spot spot : spots) {
      if (text.contains(spot.mark())) {
        question = question.region(spot.region(), new Question.Mark(spot.mark(), spot.picture()));
      }
    }
    return question;
  }

  private void references(String text, String field) {
    Matcher matcher = REFERENCE.matcher(text);
    while (matcher.find()) {
      String id = matcher.group(1);
      if (spots.stream().noneMatch(s -> s.id().equals(id))) {
        throw ApiException.mismatch(
            field,
            spots.isEmpty()
                ? "no <" + id + ">, since no picture so far has regions"
                : "one of "
                    + spots.stream().limit(8).map(ChatRequest.Spot::mark).toList(),
            "<" + id + ">");
      }
    }
    for (ChatRequest.Spot spot : spots) {
      if (text.contains(spot.mark())) {
        used.add(spot.id());
      }
    }
  }

  private Picture picture(Fields part) {
    if (pictures.size() == mostPictures) {
      throw ApiException.field(part.path(), "more than " + mostPictures + " pictures");
    }
    JsonNode source = part.required("image_url", "an object with a url");
    String field = part.at("image_url");
    String url =
        source.isString() ? source.stringValue() : Fields.object(source, field).text("url");
    Picture picture = pictureOf.apply(url, source.isString() ? field : field + ".url");
    int index = pictures.size();
    pictures.add(new ChatRequest.NamedPicture(part.text("uuid", "image" + (index + 1)), picture));
    Units units = units(part);
    JsonNode regions = part.value("regions");
    if (regions != null) {
      Fields.list(regions, part.at("regions"), MOST_REGIONS, (node, at) -> {
        spots.add(spot(Fields.object(node, at), units, scale(part), index));
        return at;
      });
      if (spots.size() > MOST_REGIONS) {
        throw ApiException.mismatch(
            part.at("regions"), "at most " + MOST_REGIONS + " of all pictures", spots.size());
      }
    }
    return picture;
  }

  private static Units units(Fields part) {
    return switch (part.text("region_units", "pixel")) {
      case "pixel" -> Units.PIXEL;
      case "relative", "permille" -> Units.RELATIVE;
      default ->
        throw ApiException.mismatch(
            part.at("region_units"),
            "pixel, relative or permille",
            Fields.shorten(part.text("region_units")));
    };
  }

  private static double scale(Fields part) {
    return part.text("region_units", "pixel").equals("permille") ? 1e-3 : 1;
  }

  private ChatRequest.Spot spot(Fields region, Units units, double scale, int picture) {
    String id = region.text("id");
    if (!ID.matcher(id).matches()) {
      throw ApiException.mismatch(
          region.at("id"),
          "a letter and up to 31 letters, digits, - or _",
          "\"" + Fields.shorten(id) + "\"");
    }
    if (spots.stream().anyMatch(s -> s.id().equals(id))) {
      throw ApiException.field(region.at("id"), "two regions are called " + id);
    }
    List<String> shapes =
        Stream.of("box", "point", "polygon").filter(region::has).toList();
    if (shapes.size() != 1) {
      throw ApiException.mismatch(
          region.path(), "one of box, point and polygon", shapes.isEmpty() ? "none" : shapes);
    }
    String shape = shapes.getFirst();
    String field = region.at(shape);
    JsonNode value = region.required(shape, "numbers");
    try {
      Region made = switch (shape) {
        case "box" -> {
          double[] v = numbers(value, field, 4, scale);
          yield new Region.Box(v[0], v[1], v[2], v[3], units);
        }
        case "point" -> {
          double[] v = numbers(value, field, 2, scale);
          yield new Region.Point(v[0], v[1], units);
        }
        default -> new Region.Polygon(corners(value, field, scale), units);
      };
      return new ChatRequest.Spot(id, made, picture, field);
    } catch (InputException e) {
      throw ApiException.field(field, String.valueOf(e.getMessage()));
    }
  }

  private static List<Region.Vertex> corners(JsonNode value, String field, double scale) {
    return Fields.list(value, field, MOST_PARTS, (node, at) -> {
      double[] v = numbers(node, at, 2, scale);
      return new Region.Vertex(v[0], v[1]);
    });
  }

  private static double[] numbers(JsonNode value, String field, int count, double scale) {
    if (!value.isArray() || value.size() != count) {
      throw ApiException.mismatch(
          field, count + " numbers", value.isArray() ? value.size() : Fields.show(value));
    }
    double[] numbers = new double[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = Fields.number(value.get(i), field + "[" + i + "]", -1e6, 1e6) * scale;
    }
    return numbers;
  }
}
