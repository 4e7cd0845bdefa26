package dev.fovea.weights;

import dev.fovea.error.FileException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The weight files of one model, opened together and mapped by one shared arena: any thread may read, {@link #close} ends all use.
 *
 * <p>A directory is read as {@code model.safetensors}; or the shards of {@code model.safetensors.index.json}; or the one other
 * {@code .safetensors} file; or all its {@code .gguf} files.
 */
public final class Checkpoint implements AutoCloseable {
  private static final String INDEX = "model.safetensors.index.json";
  private static final String SINGLE = "model.safetensors";
  /** The index of the largest known models takes a few hundred KB. */
  private static final long MAX_INDEX = 100_000_000;

  private final Arena arena = Arena.ofShared();
  private final List<TensorFile> files = new ArrayList<>();
  private final Map<String, WeightTensor> tensors = new LinkedHashMap<>();

  private Checkpoint() {}

  /**
   * Opens weight files and directories of weight files; a model may be spread over several (decoder and mmproj GGUF, LLaVA and CLIP).
   *
   * @throws FileException naming the file and place, for a missing or damaged file, or a tensor that is in two files
   */
  public static Checkpoint open(List<Path> paths) {
    Checkpoint checkpoint = new Checkpoint();
    try {
      for (Path path : paths) {
        checkpoint.add(path);
      }
      return checkpoint;
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  public static Checkpoint open(Path path) {
    return open(List.of(path));
  }

  /** The files, in the order they were opened. */
  public List<TensorFile> files() {
    return Collections.unmodifiableList(files);
  }

  /** Every tensor of every file, by name. */
  public Map<String, WeightTensor> tensors() {
    return Collections.unmodifiableMap(tensors);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  /** Owns memory that should live as long as the mapped tensors do. */
  Arena arena() {
    return arena;
  }

  private void add(Path path) {
    if (!Files.isDirectory(path)) {
      addFile(path);
    } else if (Files.exists(path.resolve(SINGLE))) {
      addFile(path.resolve(SINGLE));
    } else if (Files.exists(path.resolve(INDEX))) {
      addShards(path);
    } else {
      addOthers(path);
    }
  }

  private TensorFile addFile(Path path) {
    TensorFile file = TensorFile.open(path, arena);
    if (file instanceof GgufFile gguf
        && gguf.has("split.count")
        && gguf.integer("split.count") > 1) {
      throw FileException.mismatch(
          path,
          "metadata split.count (join the parts with llama-gguf-split --merge)",
          1,
          gguf.integer("split.count"));
    }
    files.add(file);
    for (WeightTensor tensor : file.tensors().values()) {
      WeightTensor other = tensors.putIfAbsent(tensor.name(), tensor);
      if (other != null) {
        throw new FileException(path, tensor.where() + " is also in " + other.file());
      }
    }
    return file;
  }

  private void addOthers(Path folder) {
    List<Path> safetensors = new ArrayList<>();
    List<Path> gguf = new ArrayList<>();
    Set<String> torch = new TreeSet<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      for (Path entry : entries) {
        String name = entry.getFileName().toString();
        if (name.endsWith(".safetensors")) {
          safetensors.add(entry);
        } else if (name.endsWith(".gguf")) {
          gguf.add(entry);
        } else if (name.endsWith(".bin") || name.endsWith(".pth")) {
          torch.add(name);
        }
      }
    } catch (IOException e) {
      throw new FileException(folder, "cannot be listed: " + e.getMessage(), e);
    }
    if (safetensors.size() == 1) {
      addFile(safetensors.getFirst());
    } else if (safetensors.size() > 1) {
      throw FileException.mismatch(
          folder,
          "weights",
          SINGLE + " or " + INDEX,
          safetensors.size() + " other .safetensors files");
    } else if (!gguf.isEmpty()) {
      gguf.stream().sorted().forEach(this::addFile);
    } else {
      String found = torch.isEmpty()
          ? "none of these"
          : torch + " (PyTorch pickles; save them as safetensors first)";
      throw FileException.mismatch(
          folder, "weights", SINGLE + ", " + INDEX + " or .gguf files", found);
    }
  }

  private void addShards(Path folder) {
    Path index = folder.resolve(INDEX);
    Map<String, Set<String>> shards = readIndex(index);
    for (Map.Entry<String, Set<String>> shard : shards.entrySet()) {
      Path path = folder.resolve(shard.getKey());
      if (!Files.exists(path)) {
        throw new FileException(
            index,
            "names shard " + shard.getKey() + ", which is missing; it should hold "
                + shard.getValue().size() + " tensors, the first "
                + shard.getValue().iterator().next());
      }
      Set<String> missing = new TreeSet<>(shard.getValue());
      missing.removeAll(addFile(path).tensors().keySet());
      if (!missing.isEmpty()) {
        throw new FileException(
            index,
            "places tensor " + missing.iterator().next() + " in " + shard.getKey()
                + ", which lacks it (" + missing.size() + " such)");
      }
    }
  }

  /** Shard to the tensors that the index places there. */
  private static Map<String, Set<String>> readIndex(Path index) {
    JsonNode map;
    try {
      if (Files.size(index) > MAX_INDEX) {
        throw FileException.mismatch(
            index, "size", "at most " + MAX_INDEX + " bytes", Files.size(index));
      }
      map = JSON.readTree(Files.readAllBytes(index)).path("weight_map");
    } catch (IOException | JacksonException e) {
      throw new FileException(index, "is not readable JSON: " + e.getMessage(), e);
    }
    if (!map.isObject() || map.isEmpty()) {
      throw FileException.mismatch(
          index, "field weight_map", "an object of tensor: file", map.getNodeType());
    }
    Map<String, Set<String>> shards = new TreeMap<>();
    for (Map.Entry<String, JsonNode> e : map.properties()) {
      String shard = e.getValue().isString() ? e.getValue().stringValue() : "";
      if (!SAFE.matcher(shard).matches()) {
        throw FileException.mismatch(
            index,
            "weight_map field " + e.getKey(),
            "the name of a .safetensors file in this directory",
            e.getValue());
      }
      shards.computeIfAbsent(shard, s -> new TreeSet<>()).add(e.getKey());
    }
    return shards;
  }

  /** No separators, so that an index cannot reach out of its directory. */
  private static final Pattern SAFE = Pattern.compile("[^/\\\\\\x00]+\\.safetensors");

  private static final JsonMapper JSON =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();
}
