package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a family of models writes regions in its questions, as data. Coordinates are those of the square the model sees, from {@link
 * ImageFrame}. Sources: ChatSpot, arXiv:2307.09474, section 3.2; LLaVA-1.5's training data; Shikra's and MMGPT's box formatters.
 *
 * @param name            what users call it
 * @param factor          1 for parts of the side, 1000 for thousandths
 * @param decimals        digits after the point, trailing zeros kept
 * @param digits          least digits before the point, zeros in front
 * @param rounding        HALF_UP, or DOWN where the reference truncates
 * @param separator       between numbers
 * @param boxOpen         in front of a box or polygon
 * @param boxClose        behind it
 * @param pointOpen       in front of a point
 * @param pointClose      behind it
 * @param joiner          between regions that are appended to a question
 * @param joinInside      appended boxes share one pair of {@code boxOpen} and {@code boxClose}
 * @param defaultQuestion what is asked when nobody asked anything
 */
public record RegionPreset(
    String name,
    int factor,
    int decimals,
    int digits,
    RoundingMode rounding,
    String separator,
    String boxOpen,
    String boxClose,
    String pointOpen,
    String pointClose,
    String joiner,
    boolean joinInside,
    String defaultQuestion) {

  private static final String WHAT = "What can you see in this region? {region1}";

  public static final RegionPreset CHATSPOT = new RegionPreset(
      "chatspot",
      1,
      2,
      1,
      RoundingMode.HALF_UP,
      ", ",
      "<box>",
      "</box>",
      "<box>",
      "</box>",
      " ",
      false,
      WHAT);
  public static final RegionPreset LLAVA15 = new RegionPreset(
      "llava15",
      1,
      2,
      1,
      RoundingMode.HALF_UP,
      ", ",
      "[",
      "]",
      "[",
      "]",
      " ",
      false,
      "Please provide a short description for this region: {region1}.");
  public static final RegionPreset SHIKRA = new RegionPreset(
      "shikra", 1, 3, 1, RoundingMode.HALF_UP, ",", "[", "]", "[", "]", ";", true, WHAT);
  public static final RegionPreset MMGPT = new RegionPreset(
      "mmgpt", 1000, 0, 3, RoundingMode.DOWN, ", ", "[", "]", "[", "]", " ", false, WHAT);

  /** All presets by name. */
  public static final Map<String, RegionPreset> PRESETS = presets();

  private static final Pattern PLACEHOLDER = Pattern.compile("\\{region([0-9]{1,4})\\}");

  public RegionPreset {
    if (factor != 1 && factor != 1000) {
      throw InputException.mismatch("region factor", "1 or 1000", factor);
    }
    if (decimals < 0 || decimals > 6) {
      throw InputException.mismatch("region decimals", "0 to 6", decimals);
    }
    if (digits < 1 || digits > 4) {
      throw InputException.mismatch("region digits", "1 to 4", digits);
    }
    if (rounding != RoundingMode.HALF_UP && rounding != RoundingMode.DOWN) {
      throw InputException.mismatch("region rounding", "HALF_UP or DOWN", rounding);
    }
  }

  private static Map<String, RegionPreset> presets() {
    Map<String, RegionPreset> presets = new LinkedHashMap<>();
    for (RegionPreset preset : List.of(CHATSPOT, LLAVA15, SHIKRA, MMGPT)) {
      presets.put(preset.name, preset);
    }
    return java.util.Collections.unmodifiableMap(presets);
  }

  /**
   * The preset with this name.
   *
   * @throws InputException if there is none
   */
  public static RegionPreset named(String name) {
    RegionPreset preset = PRESETS.get(name);
    if (preset == null) {
      throw InputException.mismatch("region preset", String.join(", ", PRESETS.keySet()), name);
    }
    return preset;
  }

  public RegionPreset withDecimals(int count) {
    return new RegionPreset(
        name,
        factor,
        count,
        digits,
        rounding,
        separator,
        boxOpen,
        boxClose,
        pointOpen,
        pointClose,
        joiner,
        joinInside,
        defaultQuestion);
  }

  /** The same with another wrapper for points, e.g. {@code <point>} and {@code </point>}. */
  public RegionPreset withPointWrapper(String open, String close) {
    return new RegionPreset(
        name,
        factor,
        decimals,
        digits,
        rounding,
        separator,
        boxOpen,
        boxClose,
        open,
        close,
        joiner,
        joinInside,
        defaultQuestion);
  }

  /** The size of one step of a written coordinate, in parts of the square's side. */
  public double quantum() {
    return Math.pow(10, -decimals) / factor;
  }

  /**
   * A region as it is written.
   *
   * @param segments the text; the words of the question as typed, regions as the engine's own
   * @param warnings what the user should know, e.g. that a region reaches outside what the model sees
   */
  public record Referred(List<Segment> segments, List<String> warnings) {}

  /** One region's text, e.g. {@code <box>0.12, 0.34, 0.56, 0.78</box>}. */
  public String write(Region region, ImageFrame frame) {
    return write(1, region, frame, new ArrayList<>());
  }

  /**
   * A question with its regions: each {@code {region1}}, {@code {region2}} … is replaced by that region's text; without any, the
   * regions follow the question in order, after one space.
   *
   * @throws InputException if a placeholder has no region or a region no placeholder, or a region lies wholly outside of what the
   *     model sees
   */
  public Referred refer(String question, List<Region> regions, ImageFrame frame) {
    boolean ask = question.isBlank() && !regions.isEmpty();
    String words = ask && regions.size() == 1 ? defaultQuestion : question;
    Matcher matcher = PLACEHOLDER.matcher(words);
    while (matcher.find()) {
      int number = Integer.parseInt(matcher.group(1));
      if (number < 1 || number > regions.size()) {
        throw InputException.mismatch(
            "placeholder " + matcher.group(),
            "a region from 1 to " + regions.size(),
            "region " + number);
      }
    }
    List<Spot> spots = new ArrayList<>();
    for (int i = 0; i < regions.size(); i++) {
      spots.add(new Spot("{region" + (i + 1) + "}", regions.get(i), frame));
    }
    return refer(words, ask, spots);
  }

  /**
   * A region, what stands for it in a question, and the picture it is a spot of.
   *
   * @param mark a text that is not empty
   */
  public record Spot(String mark, Region region, ImageFrame frame) {}

  /**
   * A question with spots of one or more pictures: each mark is replaced by its region's text; without any, the regions follow the question.
   *
   * @throws InputException if a spot's mark is absent where another's is not, or a region lies wholly outside of what the model sees
   */
  public Referred refer(String question, List<Spot> spots) {
    return refer(question, false, spots);
  }

  /** @param own whether the words are this engine's, not the asker's */
  private Referred refer(String question, boolean own, List<Spot> spots) {
    List<String> warnings = new ArrayList<>();
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < spots.size(); i++) {
      texts.add(write(i + 1, spots.get(i).region(), spots.get(i).frame(), warnings));
    }
    List<Segment> out = new ArrayList<>();
    boolean[] used = new boolean[spots.size()];
    int from = 0;
    for (int at = 0; at < question.length(); at++) {
      int spot = markAt(question, at, spots);
      if (spot < 0) {
        continue;
      }
      used[spot] = true;
      words(out, question.substring(from, at), own);
      out.add(new Segment.Fixed(texts.get(spot)));
      from = at + spots.get(spot).mark().length();
      at = from - 1;
    }
    if (from > 0) {
      for (int i = 0; i < used.length; i++) {
        if (!used[i]) {
          throw InputException.mismatch(
              "region " + (i + 1), "a placeholder " + spots.get(i).mark(), "none");
        }
      }
      words(out, question.substring(from), own);
      return new Referred(List.copyOf(out), List.copyOf(warnings));
    }
    words(out, question, false);
    if (!texts.isEmpty()) {
      boolean spaced =
          question.isEmpty() || Character.isWhitespace(question.charAt(question.length() - 1));
      out.add(new Segment.Fixed(
          (spaced ? "" : " ") + joined(spots.stream().map(Spot::region).toList(), texts)));
    }
    return new Referred(List.copyOf(out), List.copyOf(warnings));
  }

  /** The spot whose mark stands there, the longest of them; or -1. */
  private static int markAt(String question, int at, List<Spot> spots) {
    int best = -1;
    for (int i = 0; i < spots.size(); i++) {
      String mark = spots.get(i).mark();
      if (question.startsWith(mark, at)
          && (best < 0 || mark.length() > spots.get(best).mark().length())) {
        best = i;
      }
    }
    return best;
  }

  private static void words(List<Segment> out, String text, boolean own) {
    if (!text.isEmpty()) {
      out.add(own ? new Segment.Fixed(text) : new Segment.User(text));
    }
  }

  private String joined(List<Region> regions, List<String> texts) {
    if (!joinInside) {
      return String.join(joiner, texts);
    }
    StringBuilder out = new StringBuilder(texts.getFirst());
    for (int i = 1; i < texts.size(); i++) {
      boolean boxes =
          regions.get(i - 1) instanceof Region.Box && regions.get(i) instanceof Region.Box;
      if (boxes) {
        out.setLength(out.length() - boxClose.length());
        out.append(joiner).append(texts.get(i), boxOpen.length(), texts.get(i).length());
      } else {
        out.append(' ').append(texts.get(i));
      }
    }
    return out.toString();
  }

  private String write(int number, Region region, ImageFrame frame, List<String> warnings) {
    List<BigDecimal> xs = new ArrayList<>();
    List<BigDecimal> ys = new ArrayList<>();
    for (Region.Vertex v : region.vertices()) {
      BigDecimal x = BigDecimal.valueOf(v.x());
      BigDecimal y = BigDecimal.valueOf(v.y());
      boolean relative = region.units() == Units.RELATIVE;
      xs.add(relative ? x.multiply(BigDecimal.valueOf(frame.width())) : x);
      ys.add(relative ? y.multiply(BigDecimal.valueOf(frame.height())) : y);
    }
    boolean overX = reaches(number, region, xs, frame.x(), false, frame);
    boolean overY = reaches(number, region, ys, frame.y(), false, frame);
    if (overX || overY) {
      warnings.add(name(number, region) + " reaches outside the " + size(frame)
          + " picture and was cut at its edge");
      clamp(xs, frame.width());
      clamp(ys, frame.height());
    }
    overX = reaches(number, region, xs, frame.x(), true, frame);
    overY = reaches(number, region, ys, frame.y(), true, frame);
    if (overX || overY) {
      warnings.add(name(number, region)
          + " reaches outside the centre square, which is all the model sees of the picture");
    }
    boolean point = region instanceof Region.Point;
    StringBuilder out = new StringBuilder(point ? pointOpen : boxOpen);
    for (int i = 0; i < xs.size(); i++) {
      out.append(i == 0 ? "" : separator);
      out.append(number(frame.x().rounded(xs.get(i), factor, decimals, rounding)))
          .append(separator);
      out.append(number(frame.y().rounded(ys.get(i), factor, decimals, rounding)));
    }
    return out.append(point ? pointClose : boxClose).toString();
  }

  /**
   * Whether a region reaches over an edge along one axis, of the picture or of the view.
   *
   * @throws InputException if nothing of it is inside
   */
  private static boolean reaches(
      int number,
      Region region,
      List<BigDecimal> values,
      ImageFrame.Axis axis,
      boolean view,
      ImageFrame frame) {
    BigDecimal low = BigDecimal.ZERO;
    BigDecimal high = BigDecimal.valueOf(view ? axis.side() : axis.size());
    BigDecimal least = null;
    BigDecimal most = null;
    for (BigDecimal value : values) {
      BigDecimal v = view
          ? value.multiply(BigDecimal.valueOf(axis.scale())).add(BigDecimal.valueOf(axis.offset()))
          : value;
      least = least == null ? v : least.min(v);
      most = most == null ? v : most.max(v);
    }
    if (least == null || most == null) {
      throw InputException.mismatch("region", "points", "none");
    }
    // An extended region that only touches an edge from outside has nothing inside; a point on the
    // edge is inside.
    boolean extended = least.compareTo(most) < 0;
    int belowHigh = least.compareTo(high);
    int aboveLow = most.compareTo(low);
    if (extended ? belowHigh >= 0 || aboveLow <= 0 : belowHigh > 0 || aboveLow < 0) {
      throw new InputException(name(number, region)
          + " lies outside "
          + (view
              ? "the centre square that the model sees of the " + size(frame) + " picture"
              : "the " + size(frame) + " picture")
          + ": "
          + region.vertices().stream().map(v -> v.x() + "," + v.y()).limit(4).toList()
          + (region.units() == Units.RELATIVE ? " of 1" : " pixels"));
    }
    return least.compareTo(low) < 0 || most.compareTo(high) > 0;
  }

  private static void clamp(List<BigDecimal> values, int size) {
    values.replaceAll(v -> v.max(BigDecimal.ZERO).min(BigDecimal.valueOf(size)));
  }

  private static String size(ImageFrame frame) {
    return frame.width() + " x " + frame.height();
  }

  private static String name(int number, Region region) {
    String kind = switch (region) {
      case Region.Box box -> "box";
      case Region.Point point -> "point";
      case Region.Polygon polygon -> "polygon";
    };
    return "region " + number + " (" + kind + ")";
  }

  private String number(BigDecimal value) {
    String text = value.toPlainString();
    int point = text.indexOf('.');
    int whole = point < 0 ? text.length() : point;
    char[] zeros = new char[Math.max(0, digits - whole)];
    Arrays.fill(zeros, '0');
    return new String(zeros) + text;
  }
}
