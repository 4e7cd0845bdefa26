package dev.fovea.weights;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What one family of checkpoints calls its tensors, read from a text resource. A line says one thing:
 *
 * <pre>
 * # a comment
 * detect NAME                          the family is present if this tensor is
 * ignore GLOB                          tensors that are expected and of no use; * stands for any text
 * CANONICAL = NAME | NAME [@rotary-pairs]
 * </pre>
 *
 * {@code {L}} stands for a layer number. Of several names the first that is there with the sizes wanted is taken.
 * {@code @rotary-pairs} marks rows that {@link HeadRows} puts in order.
 *
 * <p>The canonical names: {@code embed}, {@code layers.{L}.(attn_norm|q|k|v|o|ffn_norm|gate|up|down)}, {@code norm}, {@code lm_head};
 * {@code vision.(class|patch|position)}, {@code vision.(pre_norm|post_norm).(weight|bias)},
 * {@code vision.blocks.{L}.(norm1|q|k|v|o|norm2|fc1|fc2).(weight|bias)}; {@code projector.(0|1).(weight|bias)}.
 *
 * @param name the resource's name
 * @param detect tensors any of which shows the family
 * @param ignored expected and of no use
 * @param sources canonical pattern to the patterns of the names in the files
 */
public record NameMap(
    String name, List<String> detect, List<String> ignored, Map<String, Source> sources) {

  /**
   * Where a tensor is found.
   *
   * @param names best first
   * @param rotaryPairs rows of each head hold the two halves of a rotary pair next to each other
   */
  public record Source(List<String> names, boolean rotaryPairs) {
    public Source {
      names = List.copyOf(names);
    }
  }

  private static final String PAIRS = "@rotary-pairs";
  private static final Pattern BAR = Pattern.compile("\\|");
  private static final Pattern LAYER = Pattern.compile("(?<=layers|blocks|blk)\\.(\\d+)\\.");

  /** Every family known. */
  public static final List<NameMap> ALL =
      List.of("hf-llava", "hf-llava-in-memory", "llava", "clip", "gguf-llama", "gguf-clip").stream()
          .map(NameMap::resource)
          .toList();

  public NameMap {
    detect = List.copyOf(detect);
    ignored = List.copyOf(ignored);
    sources = Collections.unmodifiableMap(new LinkedHashMap<>(sources));
  }

  /** The family of that name, e.g. {@code hf-llava}. */
  public static NameMap named(String name) {
    return ALL.stream()
        .filter(m -> m.name.equals(name))
        .findFirst()
        .orElseThrow(() -> InputException.mismatch(
            "weight names", ALL.stream().map(NameMap::name).toList(), name));
  }

  private static NameMap resource(String name) {
    try (InputStream in = NameMap.class.getResourceAsStream("names/" + name + ".txt")) {
      if (in == null) {
        throw new InputException("no resource names/" + name + ".txt");
      }
      return parse(name, new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static NameMap parse(String name, String text) {
    List<String> detect = new ArrayList<>();
    List<String> ignored = new ArrayList<>();
    Map<String, Source> sources = new LinkedHashMap<>();
    int number = 0;
    for (String line : text.lines().map(String::strip).toList()) {
      number++;
      int equals = line.indexOf('=');
      if (line.startsWith("detect ")) {
        detect.add(line.substring("detect ".length()).strip());
      } else if (line.startsWith("ignore ")) {
        ignored.add(line.substring("ignore ".length()).strip());
      } else if (equals > 0 && !line.startsWith("#")) {
        String names = line.substring(equals + 1);
        boolean pairs = names.endsWith(PAIRS);
        String plain = pairs ? names.substring(0, names.length() - PAIRS.length()) : names;
        sources.put(
            line.substring(0, equals).strip(),
            new Source(BAR.splitAsStream(plain).map(String::strip).toList(), pairs));
      } else if (!line.isEmpty() && !line.startsWith("#")) {
        throw InputException.mismatch(
            "names/" + name + ".txt line " + number, "detect, ignore or a name = ...", line);
      }
    }
    return new NameMap(name, detect, ignored, sources);
  }

  /** The names that a canonical name can have here, best first; empty if this family has no such tensor. */
  public List<String> names(String canonical) {
    Source source = source(canonical);
    if (source == null) {
      return List.of();
    }
    Matcher layer = LAYER.matcher(canonical);
    return layer.find()
        ? source.names.stream().map(n -> n.replace("{L}", layer.group(1))).toList()
        : source.names;
  }

  /** Whether the rows of that tensor hold rotary pairs next to each other. */
  public boolean rotaryPairs(String canonical) {
    Source source = source(canonical);
    return source != null && source.rotaryPairs;
  }

  private @Nullable Source source(String canonical) {
    return sources.get(LAYER.matcher(canonical).replaceFirst(".{L}."));
  }

  /** The canonical name of a tensor in a file, or null; where names are swapped, that of the map's first choice. */
  public @Nullable String canonical(String sourceName) {
    Matcher layer = LAYER.matcher(sourceName);
    String number = layer.find() ? layer.group(1) : "";
    String pattern = LAYER.matcher(sourceName).replaceFirst(".{L}.");
    String other = null;
    for (Map.Entry<String, Source> e : sources.entrySet()) {
      int choice = e.getValue().names.indexOf(pattern);
      if (choice == 0) {
        return e.getKey().replace("{L}", number);
      } else if (choice > 0) {
        other = e.getKey().replace("{L}", number);
      }
    }
    return other;
  }

  /** Whether a tensor of that name is expected and of no use. */
  public boolean ignores(String sourceName) {
    return ignored.stream()
        .map(glob -> Pattern.compile(Pattern.quote(glob).replace("*", "\\E.*\\Q")))
        .anyMatch(p -> p.matcher(sourceName).matches());
  }
}
