package dev.fovea.weights;

import dev.fovea.error.FileException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint's tensors under their canonical names ({@link NameMap} lists them), whatever family wrote it, with a record of which
 * were taken. Not for use by several threads.
 */
public final class Weights {
  private final Checkpoint checkpoint;
  private final List<NameMap> maps;
  private final @Nullable Packing packing;
  private final Set<String> taken = new HashSet<>();
  private final Map<String, WeightTensor> unpacked = new HashMap<>();

  /** @throws FileException if no known family is present */
  public Weights(Checkpoint checkpoint) {
    this(checkpoint, null);
  }

  /**
   * @param packing how linear maps are packed, if they are: those that are taken are handed out as {@link DType#Q4_G128}, from memory
   *     that lives as long as the checkpoint
   * @throws FileException if no known family is present
   */
  public Weights(Checkpoint checkpoint, @Nullable Packing packing) {
    this.checkpoint = checkpoint;
    this.packing = packing;
    this.maps = NameMap.ALL.stream()
        .filter(m -> m.detect().stream().anyMatch(checkpoint.tensors()::containsKey))
        .toList();
    if (maps.isEmpty()) {
      throw new FileException(files() + ": tensors of no known model family: expected one of "
          + NameMap.ALL.stream().flatMap(m -> m.detect().stream()).toList() + ", found "
          + checkpoint.tensors().keySet().stream().limit(5).toList());
    }
  }

  /** The families found, e.g. {@code [llava, clip]}. */
  public List<NameMap> families() {
    return maps;
  }

  public Checkpoint checkpoint() {
    return checkpoint;
  }

  public boolean has(String canonical) {
    return found(canonical, null) != null;
  }

  /** Layers of which the tensor is there, counted from 0 without a gap: {@code count("vision.blocks.{L}.norm1.weight")}. */
  public int count(String pattern) {
    int n = 0;
    while (has(pattern.replace("{L}", String.valueOf(n)))) {
      n++;
    }
    return n;
  }

  /** Looks at a tensor without taking it. */
  public WeightTensor peek(String canonical) {
    return tensor(known(canonical));
  }

  /** Its type and sizes, without its numbers, under its name in the files. */
  public TensorSpec describe(String canonical) {
    Found found = known(canonical);
    return found.packed != null
        ? found.packed.spec()
        : new TensorSpec(found.name(), Objects.requireNonNull(found.tensor).dtype(), found.dims());
  }

  private Found known(String canonical) {
    Found found = found(canonical, null);
    if (found == null) {
      throw missing(canonical);
    }
    return found;
  }

  /** Numbers in all tensors, counted one by one; scales and zero points are none of them. */
  public long parameters() {
    long n = 0;
    for (WeightTensor t : checkpoint.tensors().values()) {
      String name = t.name();
      String stem = name.substring(0, name.lastIndexOf('.') + 1);
      if (packing == null || !checkpoint.tensors().containsKey(stem + "qweight")) {
        n += t.elements();
      } else if (name.endsWith(".qweight")) {
        n += 8 * t.elements();
      }
    }
    return n;
  }

  /**
   * The tensor of that canonical name, as the file holds it.
   *
   * @param dims the sizes it must have, slowest first
   * @throws FileException if it is missing, has other sizes, or an element type the engine lacks
   */
  public WeightTensor take(String canonical, long... dims) {
    return tensor(take(found(canonical, dims), canonical, dims));
  }

  /**
   * A query or key projection with its rows in Hugging Face's order; a GGUF file's rows are copied to do so.
   *
   * @param heads of which the rows are made: query heads for q, key/value heads for k
   * @param arena where a copy lives, if one is needed
   */
  public WeightTensor takeHeads(String canonical, int heads, Arena arena, long... dims) {
    Found found = take(found(canonical, dims), canonical, dims);
    WeightTensor t = tensor(found);
    if (!found.map.rotaryPairs(canonical)) {
      return t;
    }
    MemorySegment copy = arena.allocate(t.bytes(), 64);
    HeadRows.copyToHalves(t, heads, copy);
    return new WeightTensor(t.name(), t.type(), t.dims(), t.file(), t.offset(), copy.asReadOnly());
  }

  /** Whether that tensor's rows are in GGUF's order, see {@link HeadRows}. */
  public boolean rotaryPairs(String canonical) {
    Found found = found(canonical, null);
    return found != null && found.map.rotaryPairs(canonical);
  }

  /** Tensors that nobody took, by the names in the files. */
  public List<String> unused() {
    return checkpoint.tensors().keySet().stream()
        .filter(n -> !taken.contains(n))
        .toList();
  }

  /**
   * Unused tensors that should not be there: neither of the kinds a family is known to carry along, nor vision blocks behind the
   * last one run, nor the norm after them. Empty for a checkpoint that was understood.
   */
  public List<String> unexpected(int visionBlocksRun) {
    return unused().stream().filter(n -> !isSpare(n, visionBlocksRun)).toList();
  }

  private boolean isSpare(String name, int visionBlocksRun) {
    for (NameMap map : maps) {
      String canonical = map.canonical(name);
      if (map.ignores(name) || (canonical != null && isSpareVision(canonical, visionBlocksRun))) {
        return true;
      }
    }
    return false;
  }

  private static boolean isSpareVision(String canonical, int visionBlocksRun) {
    String block = "vision.blocks.";
    if (canonical.startsWith(block)) {
      String number = canonical.substring(block.length(), canonical.indexOf('.', block.length()));
      return number.length() > 9 || Integer.parseInt(number) >= visionBlocksRun;
    }
    return canonical.startsWith("vision.post_norm.");
  }

  /** One of tensor and packed is there. */
  private record Found(
      @Nullable WeightTensor tensor, @Nullable PackedMap packed, NameMap map) {

    /** What complaints point at. */
    WeightTensor part() {
      return packed != null ? packed.quants() : Objects.requireNonNull(tensor);
    }

    String name() {
      return packed != null ? packed.name() : part().name();
    }

    List<Long> dims() {
      return packed != null ? packed.spec().dims() : part().dims();
    }
  }

  private WeightTensor tensor(Found found) {
    PackedMap packed = found.packed;
    return packed == null
        ? found.part()
        : unpacked.computeIfAbsent(packed.name(), name -> unpack(packed));
  }

  private WeightTensor unpack(PackedMap map) {
    TensorSpec spec = map.spec();
    MemorySegment data = checkpoint.arena().allocate(spec.bytes(), 64);
    map.unpack(data);
    return new WeightTensor(
        spec.name(),
        StoredType.of(spec.dtype()),
        spec.dims(),
        map.quants().file(),
        map.quants().offset(),
        data.asReadOnly());
  }

  private Found take(@Nullable Found found, String canonical, long... dims) {
    if (found == null) {
      throw missing(canonical);
    }
    WeightTensor t = found.part();
    if (!found.dims().equals(boxed(dims))) {
      throw FileException.mismatch(
          t.file(), t.where() + " (" + canonical + "): sizes", boxed(dims), found.dims());
    }
    if (found.packed != null) {
      taken.addAll(found.packed.parts());
      return found;
    }
    if (t.dtype().isWhole()) {
      throw FileException.mismatch(
          t.file(),
          t.where() + " (" + canonical + "): element type",
          "F32, F16, BF16, Q8_0, Q4_0 or Q4_G128",
          t.type());
    }
    taken.add(t.name());
    return found;
  }

  /** The first name that is there with these sizes, or else the first that is there. */
  private @Nullable Found found(String canonical, long @Nullable [] dims) {
    Found first = null;
    for (NameMap map : maps) {
      for (String name : map.names(canonical)) {
        Found found = found(name, canonical, map);
        if (found != null && (dims == null || found.dims().equals(boxed(dims)))) {
          return found;
        }
        if (found != null && first == null) {
          first = found;
        }
      }
    }
    return first;
  }

  private @Nullable Found found(String name, String canonical, NameMap map) {
    WeightTensor t = checkpoint.tensors().get(name);
    if (t != null) {
      return new Found(t, null, map);
    }
    // The decoder's maps, whose canonical names do not say so, have no biases.
    PackedMap packed = packing == null
        ? null
        : PackedMap.find(name, canonical.endsWith(".weight"), packing, checkpoint.tensors());
    return packed == null ? null : new Found(null, packed, map);
  }

  private static List<Long> boxed(long... dims) {
    List<Long> list = new ArrayList<>();
    for (long d : dims) {
      list.add(d);
    }
    return list;
  }

  private FileException missing(String canonical) {
    List<String> names = maps.stream().flatMap(m -> m.names(canonical).stream()).toList();
    String packed = names.stream()
        .map(n -> n.replaceFirst("\\.weight$", ".qweight"))
        .filter(checkpoint.tensors()::containsKey)
        .findFirst()
        .map(n -> "; found " + n + ", but no quantization_config in config.json")
        .orElse("");
    return new FileException(files() + ": tensor " + canonical + " is missing: expected "
        + (names.isEmpty() ? "names of a known model family" : String.join(" or ", names))
        + (packing == null ? packed : ""));
  }

  private String files() {
    return checkpoint.files().stream()
        .map(f -> f.path().toString())
        .collect(Collectors.joining(", "));
  }
}
