package dev.fovea.cli;

import dev.fovea.error.FoveaException;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.weights.Checkpoint;
import dev.fovea.weights.GgufFile;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.NameMap;
import dev.fovea.weights.SafetensorsFile;
import dev.fovea.weights.TensorFile;
import dev.fovea.weights.WeightTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

/** {@code fovea inspect}. */
@Command(
    description = {
      "Shows what a checkpoint holds, from its headers alone: files, configuration, tensors, what each",
      "element type takes, and tensors that no model of a known family uses.",
      ""
    })
final class Inspect implements Callable<Integer> {
  /** Longer values, such as chat templates, are cut. */
  private static final int MAX_VALUE = 90;

  /** A configuration file that is larger is not one. */
  private static final long MAX_CONFIG = 1 << 24;

  @Mixin
  Flags flags = new Flags();

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..*",
      description = "Folders or files that make one model; the demo model if absent.")
  List<Path> paths = new ArrayList<>();

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description = "The same as MODEL.")
  @Nullable
  Path model;

  @Option(names = "--json", description = "Print one line of JSON.")
  boolean json;

  private final Shell shell;

  Inspect(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    List<Path> given = new ArrayList<>(paths);
    if (given.isEmpty()) {
      given.add(model == null ? shell.home().resolve("models").resolve("demo") : model);
    }
    for (Path path : given) {
      Main.require(path, "a model folder, or a .safetensors or .gguf file");
    }
    try (Checkpoint checkpoint = Checkpoint.open(given)) {
      Map<String, Object> found = describe(given, checkpoint);
      shell.out().print(json ? Json.line(found) + "\n" : text(found));
    }
    return 0;
  }

  private static Map<String, Object> describe(List<Path> given, Checkpoint checkpoint)
      throws IOException {
    List<Object> files = new ArrayList<>();
    Map<String, Object> configuration = new LinkedHashMap<>();
    List<Object> tensors = new ArrayList<>();
    for (TensorFile file : checkpoint.files()) {
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("file", file.path().toString());
      entry.put("format", file instanceof GgufFile ? "gguf" : "safetensors");
      entry.put("bytes", Files.size(file.path()));
      entry.put("tensors", file.tensors().size());
      files.add(entry);
      configuration.putAll(metadata(file));
    }
    for (Path path : given) {
      if (Files.isDirectory(path)) {
        others(path, checkpoint, files, configuration);
      }
    }
    List<NameMap> families = NameMap.ALL.stream()
        .filter(m -> m.detect().stream().anyMatch(checkpoint.tensors()::containsKey))
        .toList();
    Opening opening = Opening.of(given);
    Map<String, long[]> totals = new TreeMap<>();
    List<String> unused = new ArrayList<>();
    long bytes = 0;
    long elements = 0;
    for (WeightTensor t : checkpoint.tensors().values()) {
      String canonical = canonical(families, t.name());
      if (canonical != null && opening.leaves(canonical)) {
        canonical = null;
      }
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("name", t.name());
      entry.put("dtype", t.type().label());
      entry.put("shape", t.dims());
      entry.put("bytes", t.bytes());
      entry.put("file", t.file().getFileName().toString());
      entry.put("use", canonical == null ? "" : canonical);
      tensors.add(entry);
      if (canonical == null) {
        unused.add(t.name());
      }
      long[] total = totals.computeIfAbsent(t.type().label(), k -> new long[3]);
      total[0]++;
      total[1] += t.elements();
      total[2] += t.bytes();
      elements += t.elements();
      bytes += t.bytes();
    }
    List<Object> types = new ArrayList<>();
    totals.forEach((label, total) -> types.add(
        ordered("dtype", label, "tensors", total[0], "parameters", total[1], "bytes", total[2])));
    return ordered(
        "opens",
        opening.words(),
        "families",
        families.stream().map(NameMap::name).toList(),
        "files",
        files,
        "configuration",
        configuration,
        "tensors",
        tensors,
        "types",
        types,
        "parameters",
        elements,
        "bytes",
        bytes,
        "unused",
        unused);
  }

  /**
   * What the engine makes of it.
   *
   * @param words how it would be used, or why it cannot be
   * @param blocksRun of the vision tower; all where that is not known
   */
  private record Opening(String words, int blocksRun) {

    static Opening of(List<Path> given) {
      if (given.size() != 1) {
        return new Opening("not tried, as several paths were given", Integer.MAX_VALUE);
      }
      try (LoadedModel loaded = LoadedModel.open(given.getFirst(), OpenOptions.NONE)) {
        LoadedModel.Description d = loaded.description();
        return new Opening(
            "yes, as " + d.format() + "; template " + d.template().name() + ", regions "
                + d.regions().name() + ", image mode "
                + d.preprocessing().mode().name().toLowerCase(Locale.ROOT),
            d.config().vision().run());
      } catch (FoveaException e) {
        return new Opening("no: " + e.getMessage(), Integer.MAX_VALUE);
      }
    }

    /** Blocks behind the last one that is run, and the norm after them, are read by nothing. */
    boolean leaves(String canonical) {
      if (blocksRun == Integer.MAX_VALUE) {
        return false;
      }
      String blocks = "vision.blocks.";
      if (canonical.startsWith(blocks)) {
        String number =
            canonical.substring(blocks.length(), canonical.indexOf('.', blocks.length()));
        return number.length() > 9 || Integer.parseInt(number) >= blocksRun;
      }
      return canonical.startsWith("vision.post_norm.");
    }
  }

  private static Map<String, Object> ordered(Object... pairs) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      map.put((String) pairs[i], pairs[i + 1]);
    }
    return map;
  }

  private static @Nullable String canonical(List<NameMap> families, String name) {
    for (NameMap map : families) {
      String canonical = map.canonical(name);
      if (canonical != null) {
        return canonical;
      }
    }
    return null;
  }

  private static Map<String, Object> metadata(TensorFile file) {
    Map<String, Object> values = new LinkedHashMap<>();
    switch (file) {
      case GgufFile gguf -> gguf.metadata().forEach((key, value) -> values.put(key, brief(value)));
      case SafetensorsFile safetensors ->
        safetensors
            .metadata()
            .forEach((key, value) -> values.put("__metadata__." + key, cut(value)));
    }
    return values;
  }

  private static Object brief(GgufValue value) {
    return switch (value) {
      case GgufValue.Int i -> i.value();
      case GgufValue.Real r -> r.value();
      case GgufValue.Bool b -> b.value();
      case GgufValue.Text t -> cut(t.value());
      case GgufValue.Array a ->
        a.values().size() > 8
            ? "[" + a.values().size() + " × " + a.element().name().toLowerCase(Locale.ROOT) + "]"
            : a.values().stream()
                .map(v -> String.valueOf(brief(v)))
                .collect(Collectors.joining(", ", "[", "]"));
    };
  }

  private static String cut(String value) {
    String line = value.replaceAll("\\R", "⏎");
    return line.length() > MAX_VALUE
        ? line.substring(0, MAX_VALUE) + "… (" + value.length() + " characters)"
        : line;
  }

  /** Files beside the weights; configurations are read, with their objects flattened. */
  private static void others(
      Path folder, Checkpoint checkpoint, List<Object> files, Map<String, Object> configuration)
      throws IOException {
    List<Path> weights = checkpoint.files().stream().map(TensorFile::path).toList();
    try (Stream<Path> entries = Files.list(folder)) {
      for (Path file : entries.sorted().toList()) {
        if (Files.isRegularFile(file) && !weights.contains(file)) {
          files.add(ordered(
              "file", file.toString(), "format", "other", "bytes", Files.size(file), "tensors", 0));
        }
      }
    }
    Path config = folder.resolve("config.json");
    if (Files.isRegularFile(config) && Files.size(config) < MAX_CONFIG) {
      flatten("", Scene.parse(config), configuration);
    }
  }

  private static void flatten(String prefix, JsonNode node, Map<String, Object> to) {
    for (Map.Entry<String, JsonNode> e : node.properties()) {
      String key = prefix + e.getKey();
      if (e.getValue().isObject()) {
        flatten(key + ".", e.getValue(), to);
      } else {
        to.put(key, cut(e.getValue().asString(e.getValue().toString())));
      }
    }
  }

  private static String text(Map<String, Object> found) {
    StringBuilder out = new StringBuilder();
    out.append("opens: ").append(found.get("opens")).append('\n');
    out.append("families: ").append(found.get("families")).append("\n\n");
    Table files = new Table("file", "format", ">tensors", ">size");
    for (Map<?, ?> f : maps(found, "files")) {
      files.row(
          String.valueOf(f.get("file")),
          String.valueOf(f.get("format")),
          String.valueOf(f.get("tensors")),
          Sizes.bytes(number(f, "bytes")));
    }
    out.append(files).append('\n');
    if (found.get("configuration") instanceof Map<?, ?> configuration) {
      configuration.forEach(
          (key, value) -> out.append(key).append(" = ").append(value).append('\n'));
      out.append(configuration.isEmpty() ? "" : "\n");
    }
    Table tensors = new Table("tensor", "dtype", "shape", ">size", "used as");
    for (Map<?, ?> t : maps(found, "tensors")) {
      tensors.row(
          String.valueOf(t.get("name")),
          String.valueOf(t.get("dtype")),
          String.valueOf(t.get("shape")),
          Sizes.bytes(number(t, "bytes")),
          String.valueOf(t.get("use")).isEmpty() ? "(unused)" : String.valueOf(t.get("use")));
    }
    out.append(tensors).append('\n');
    Table types = new Table("dtype", ">tensors", ">parameters", ">size");
    for (Map<?, ?> t : maps(found, "types")) {
      types.row(
          String.valueOf(t.get("dtype")),
          String.valueOf(t.get("tensors")),
          Sizes.count(number(t, "parameters")),
          Sizes.bytes(number(t, "bytes")));
    }
    types.row(
        "all",
        String.valueOf(maps(found, "tensors").size()),
        Sizes.count(number(found, "parameters")),
        Sizes.bytes(number(found, "bytes")));
    out.append(types).append('\n');
    List<?> unused = found.get("unused") instanceof List<?> list ? list : List.of();
    out.append("unused: ")
        .append(
            unused.isEmpty()
                ? "none"
                : String.join(", ", unused.stream().map(String::valueOf).toList()));
    return out.append('\n').toString();
  }

  private static List<Map<?, ?>> maps(Map<String, Object> from, String key) {
    List<Map<?, ?>> maps = new ArrayList<>();
    if (from.get(key) instanceof List<?> list) {
      for (Object o : list) {
        if (o instanceof Map<?, ?> map) {
          maps.add(map);
        }
      }
    }
    return maps;
  }

  private static long number(Map<?, ?> from, String key) {
    return from.get(key) instanceof Number n ? n.longValue() : 0;
  }
}
