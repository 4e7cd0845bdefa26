package dev.fovea.model.image;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * From a picture to what the vision tower reads: made square, resized to S × S on 8 bits, then {@code (v / 255 - mean) / std} in
 * float32. Radford et al. 2021 (CLIP), as Hugging Face's processor computes it.
 *
 * @param mode how the picture becomes a square
 * @param size side S in pixels, 1 to 4096
 * @param mean per channel, 0 to 1; also the colour of padding
 * @param std per channel, above 0
 */
public record Preprocessing(ImageMode mode, int size, Channels mean, Channels std) {

  /** CLIP's own mean, of all its checkpoints. */
  public static final Channels CLIP_MEAN = new Channels(0.48145466, 0.4578275, 0.40821073);

  /** CLIP's own standard deviation. */
  public static final Channels CLIP_STD = new Channels(0.26862954, 0.26130258, 0.27577711);

  /** Largest side; 4096² pixels are 200 MB of float32. */
  private static final int MAX_SIZE = 4096;

  /** A settings file is a kilobyte; more than this is another file. */
  private static final int MAX_JSON_BYTES = 1 << 20;

  /** Bounds that keep a normalised value finite in float32, far from any real setting. */
  private static final double MIN_STD = 1e-6;

  private static final double MAX_STD = 1e6;

  private static final int BICUBIC = 3;

  private static final Set<String> PROCESSORS = Set.of(
      "CLIPImageProcessor",
      "CLIPImageProcessorFast",
      "CLIPImageProcessorPil",
      "CLIPFeatureExtractor",
      "LlavaImageProcessor",
      "LlavaImageProcessorFast",
      "LlavaImageProcessorPil");

  /**
   * Checks the numbers.
   *
   * @throws InputException if a number is out of its range
   */
  public Preprocessing {
    if (size < 1 || size > MAX_SIZE) {
      throw InputException.mismatch("image size", "1 to " + MAX_SIZE, size);
    }
    requireRange("image mean", mean, 0, 1);
    requireRange("image std", std, MIN_STD, MAX_STD);
  }

  /** CLIP's settings at a size. */
  public static Preprocessing clip(ImageMode mode, int size) {
    return new Preprocessing(mode, size, CLIP_MEAN, CLIP_STD);
  }

  /** The same numbers in another mode. */
  public Preprocessing withMode(ImageMode other) {
    return new Preprocessing(other, size, mean, std);
  }

  /**
   * The settings of a {@code preprocessor_config.json}, in the older spelling ({@code "size": 224}) or the newer ({@code "size":
   * {"shortest_edge": 336}}), or the {@code image_processor} part of a {@code processor_config.json}. The mode is {@link
   * ImageMode#CROP} where the file asks for a centre crop, {@link ImageMode#PAD} where it says {@code do_pad}, else {@link
   * ImageMode#RESIZE}; LLaVA's own {@code image_aspect_ratio} stands in another file and is the caller's to apply.
   *
   * @throws FileException if the file cannot be read, is no JSON, or asks for anything else than bicubic, 1/255 and a square
   */
  public static Preprocessing read(Path file) {
    JsonNode root;
    try (var in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(MAX_JSON_BYTES + 1);
      if (bytes.length > MAX_JSON_BYTES) {
        throw FileException.mismatch(
            file, "file size", "at most " + MAX_JSON_BYTES + " bytes of JSON", "more");
      }
      root = JsonMapper.shared().readTree(bytes);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read (" + e.getMessage() + ")", e);
    } catch (JacksonException e) {
      throw new FileException(file, "not JSON (" + e.getOriginalMessage() + ")", e);
    }
    if (root.path("image_processor").isObject()) {
      root = root.path("image_processor");
    }
    if (!root.isObject()) {
      throw FileException.mismatch(file, "settings", "a JSON object", kind(root));
    }
    return new Settings(file, root).read();
  }

  /** How a picture becomes the pixels [C=3,Y=S,X=S] that the tower reads. */
  public Resampling resampling(Picture picture) {
    return resampling(picture, levels());
  }

  /** The same with other numbers for the values of each channel. */
  Resampling resampling(Picture picture, float[] levels) {
    int w = picture.width();
    int h = picture.height();
    var all = new Resampling.Window(0, 0, size, size);
    return switch (mode) {
      case RESIZE -> Resampling.of(Resampling.Sheet.of(picture), size, size, all, levels);
      case PAD, PAD_TOP_LEFT -> {
        int side = Math.max(w, h);
        boolean centred = mode == ImageMode.PAD;
        var sheet = new Resampling.Sheet(
            picture,
            side,
            side,
            centred ? (side - w) / 2 : 0,
            centred ? (side - h) / 2 : 0,
            mean.toColor());
        yield Resampling.of(sheet, size, size, all, levels);
      }
      case CROP -> {
        int rw = croppedSide(w, h);
        int rh = croppedSide(h, w);
        var window = new Resampling.Window((rw - size) / 2, (rh - size) / 2, size, size);
        yield Resampling.of(Resampling.Sheet.of(picture), rw, rh, window, levels);
      }
    };
  }

  /** A side after the shorter one became S; the longer one is cut to whole pixels. */
  private int croppedSide(int side, int other) {
    if (side <= other) {
      return size;
    }
    long scaled = (long) ((double) ((long) size * side) / other);
    if (scaled > Integer.MAX_VALUE) {
      throw InputException.mismatch(
          "picture size", "sides closer to each other", side + " by " + other);
    }
    return (int) scaled;
  }

  /** What the tower reads for each of the 256 values of a channel, each step in float32. */
  private float[] levels() {
    double[] means = {mean.red(), mean.green(), mean.blue()};
    double[] stds = {std.red(), std.green(), std.blue()};
    float[] values = new float[3 * 256];
    for (int i = 0; i < values.length; i++) {
      int c = i / 256;
      values[i] = ((float) (i % 256 * (1.0 / 255)) - (float) means[c]) / (float) stds[c];
    }
    return values;
  }

  private static void requireRange(String name, Channels values, double low, double high) {
    if (!inRange(values, low, high)) {
      throw InputException.mismatch(name, "numbers from " + low + " to " + high, values);
    }
  }

  /** False for NaN too. */
  private static boolean inRange(Channels values, double low, double high) {
    return Math.min(values.red(), Math.min(values.green(), values.blue())) >= low
        && Math.max(values.red(), Math.max(values.green(), values.blue())) <= high;
  }

  private static String kind(@Nullable JsonNode node) {
    return node == null ? "nothing" : node.getNodeType().name().toLowerCase(Locale.ROOT);
  }

  /** The fields of one settings file, each either as expected or refused. */
  private record Settings(Path file, JsonNode root) {

    Preprocessing read() {
      JsonNode type = root.path("image_processor_type");
      if (type.isMissingNode()) {
        type = root.path("feature_extractor_type");
      }
      if (!type.isMissingNode() && !(type.isString() && PROCESSORS.contains(type.asString()))) {
        throw bad("image_processor_type", "a CLIP or LLaVA image processor", type);
      }
      requireTrue("do_resize");
      requireTrue("do_rescale");
      requireTrue("do_normalize");
      JsonNode resample = root.path("resample");
      if (present(resample) && !(resample.isIntegralNumber() && resample.asInt() == BICUBIC)) {
        throw bad("resample", "3 (bicubic)", resample);
      }
      JsonNode factor = root.path("rescale_factor");
      // 1/255 is written in files with as few as seven digits.
      if (present(factor) && !(factor.isNumber() && Math.abs(factor.asDouble() * 255 - 1) < 1e-6)) {
        throw bad("rescale_factor", "1/255", factor);
      }
      boolean crop = flag("do_center_crop", true);
      boolean pad = flag("do_pad", false);
      int size = side("size", true);
      if (crop) {
        int cropped = present(root.path("crop_size")) ? side("crop_size", false) : size;
        if (cropped != size) {
          throw bad("crop_size", size + ", as size", root.path("crop_size"));
        }
      } else if (root.path("size").path("shortest_edge").isNumber() && !pad) {
        throw bad(
            "do_center_crop", "true where size is a shortest_edge", root.path("do_center_crop"));
      }
      ImageMode mode = pad ? ImageMode.PAD : crop ? ImageMode.CROP : ImageMode.RESIZE;
      return new Preprocessing(
          mode,
          size,
          channels("image_mean", CLIP_MEAN, 0, 1),
          channels("image_std", CLIP_STD, MIN_STD, MAX_STD));
    }

    private void requireTrue(String field) {
      if (!flag(field, true)) {
        throw bad(field, "true", root.path(field));
      }
    }

    private boolean flag(String field, boolean otherwise) {
      JsonNode node = root.path(field);
      if (!present(node)) {
        return otherwise;
      }
      if (!node.isBoolean()) {
        throw bad(field, "true or false", node);
      }
      return node.asBoolean();
    }

    /** A square's side from a number, {@code shortest_edge}, or equal {@code height} and {@code width}. */
    private int side(String field, boolean edge) {
      JsonNode node = root.path(field);
      JsonNode number = node;
      if (node.isObject()) {
        if (edge && present(node.path("shortest_edge"))) {
          number = node.path("shortest_edge");
        } else {
          number = node.path("height");
          if (!number.equals(node.path("width"))) {
            throw bad(field, "a square", node);
          }
        }
      }
      if (!number.isIntegralNumber()
          || !number.canConvertToInt()
          || number.asInt() < 1
          || number.asInt() > MAX_SIZE) {
        throw bad(field, "a whole number of pixels, 1 to " + MAX_SIZE, node);
      }
      return number.asInt();
    }

    private Channels channels(String field, Channels otherwise, double low, double high) {
      JsonNode node = root.path(field);
      if (!present(node)) {
        return otherwise;
      }
      if (!node.isArray() || node.size() != 3) {
        throw bad(field, "three numbers", node);
      }
      for (JsonNode number : node) {
        if (!number.isNumber() || !Double.isFinite(number.asDouble())) {
          throw bad(field, "three finite numbers", node);
        }
      }
      var values = new Channels(
          node.get(0).asDouble(), node.get(1).asDouble(), node.get(2).asDouble());
      if (!inRange(values, low, high)) {
        throw bad(field, "numbers from " + low + " to " + high, node);
      }
      return values;
    }

    private static boolean present(JsonNode node) {
      return !node.isMissingNode() && !node.isNull();
    }

    private FileException bad(String field, String expected, JsonNode found) {
      String text = found.isMissingNode() ? "nothing" : found.toString();
      return FileException.mismatch(
          file, field, expected, text.length() > 80 ? text.substring(0, 80) + "…" : text);
    }
  }
}
