package dev.fovea.weights.convert;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.HeadRows;
import dev.fovea.weights.TensorSpec;
import dev.fovea.weights.TensorWriter;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes any checkpoint as the GGUF pair that {@link GgufPair} lays out, a few rows at a time: memory does not grow with the model.
 * Tensors that are already of the type wanted are copied bit for bit.
 */
public final class Quantizer {
  /** Elements decoded at once; rows are at most some 10^4 long. */
  private static final int PIECE = 1 << 18;

  private final Weights weights;
  private final ModelShape shape;
  private final Progress progress;
  private final List<TensorError> errors = new ArrayList<>();
  private Map<String, GgufValue> decoderNotes = Map.of();
  private Map<String, GgufValue> imageNotes = Map.of();
  private long done;
  private long total;

  /** Called after each piece; throwing from it ends the conversion and leaves no file. */
  public interface Progress {
    /**
     * How far the conversion is.
     *
     * @param done bytes written
     * @param total bytes of both files' tensors
     * @param tensor being written, as the target file spells it
     */
    void at(long done, long total, String tensor);
  }

  /**
   * What a conversion did to one tensor, relative to the root mean square of its elements.
   *
   * @param name as the target file spells it
   * @param rms root mean square of the rounding errors
   * @param max largest rounding error
   */
  public record TensorError(String name, DType from, DType to, double rms, double max) {}

  /**
   * Prepares a conversion.
   *
   * @param shape sizes of the model; the number of stored vision blocks is taken from the checkpoint
   */
  public Quantizer(Weights weights, ModelShape shape, Progress progress) {
    this.weights = weights;
    this.shape = shape.withVisionBlocks(weights.count("vision.blocks.{L}.norm1.weight"));
    this.progress = progress;
  }

  /** Adds metadata to each file, behind what {@link GgufPair} writes: what no standard key holds, such as {@code fovea.template}. */
  public Quantizer noting(Map<String, GgufValue> decoder, Map<String, GgufValue> image) {
    decoderNotes = Map.copyOf(decoder);
    imageNotes = Map.copyOf(image);
    return this;
  }

  /**
   * Writes both files.
   *
   * @param decoderType of the decoder's linear maps: f32, f16, bf16, q8_0 or q4_0
   * @param imageType of the vision tower's and the projector's linear maps; f16 is what llama.cpp's own files hold
   * @return one entry per tensor, in the order written
   * @throws FileException for a tensor that is missing, has other sizes, or holds values that are not finite or do not fit
   */
  public List<TensorError> write(
      Path decoder,
      Path image,
      DType decoderType,
      DType imageType,
      TokenizerDescription tokenizer) {
    if (shape.visionBlocksRun() > shape.vision().blocks()) {
      weights.peek(
          "vision.blocks." + shape.vision().blocks() + ".norm1.weight"); // says what is missing
    }
    List<GgufPair.Entry> text = GgufPair.decoderTensors(shape, decoderType);
    if (!weights.has("lm_head")) {
      text = text.stream()
          .filter(e -> !e.canonical().equals("lm_head"))
          .toList(); // tied to the embedding
    }
    List<GgufPair.Entry> vision = GgufPair.imageTensors(shape, imageType);
    done = 0;
    total = bytes(text) + bytes(vision);
    errors.clear();
    // What is missing is told before hours are spent, and half a pair gets no name.
    text.forEach(this::source);
    vision.forEach(this::source);
    try (TensorWriter first = TensorWriter.gguf(
            decoder,
            with(decoderNotes, GgufPair.decoderMetadata(shape, decoderType, tokenizer)),
            specs(text));
        TensorWriter second = TensorWriter.gguf(
            image, with(imageNotes, GgufPair.imageMetadata(shape, imageType)), specs(vision))) {
      text.forEach(entry -> write(first, entry));
      vision.forEach(entry -> write(second, entry));
      first.finish();
      second.finish();
    }
    return List.copyOf(errors);
  }

  /** Keys in alphabetical order, so that the same conversion writes the same bytes. */
  private static Map<String, GgufValue> with(
      Map<String, GgufValue> notes, Map<String, GgufValue> metadata) {
    Map<String, GgufValue> all = new LinkedHashMap<>(metadata);
    new TreeMap<>(notes).forEach((key, value) -> {
      if (all.putIfAbsent(key, value) != null) {
        throw new InputException("metadata " + key + " is written by the converter itself");
      }
    });
    return all;
  }

  private static long bytes(List<GgufPair.Entry> entries) {
    return entries.stream().mapToLong(e -> e.spec().bytes()).sum();
  }

  private static List<TensorSpec> specs(List<GgufPair.Entry> entries) {
    return entries.stream().map(GgufPair.Entry::spec).toList();
  }

  /** The tensor that an entry is made from. */
  private WeightTensor source(GgufPair.Entry entry) {
    return weights.take(
        entry.canonical(),
        entry.spec().dims().stream().mapToLong(Long::longValue).toArray());
  }

  private void write(TensorWriter writer, GgufPair.Entry entry) {
    TensorSpec spec = entry.spec();
    WeightTensor from = source(entry);
    long headWidth = headWidth(entry.canonical());
    long rows = spec.rows();
    int step = (int) Math.max(1, Math.min(rows, PIECE / spec.rowElements()));
    Pass pass = new Pass(from, spec);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(step * spec.rowBytes());
      for (long row = 0; row < rows; row += step) {
        int n = (int) Math.min(step, rows - row);
        for (int i = 0; i < n; i++) {
          long source = headWidth == 0 ? row + i : HeadRows.toHalves(row + i, headWidth);
          pass.convert(source, buffer, i * spec.rowBytes());
        }
        MemorySegment piece = buffer.asSlice(0, n * spec.rowBytes());
        writer.append(spec, piece);
        done += piece.byteSize();
        progress.at(done, total, spec.name());
      }
    }
    errors.add(pass.error());
  }

  /** Rows of a head that must be reordered, or 0. */
  private long headWidth(String canonical) {
    boolean rotary =
        canonical.startsWith("layers.") && (canonical.endsWith(".q") || canonical.endsWith(".k"));
    return rotary && !weights.rotaryPairs(canonical) ? shape.text().headWidth() : 0;
  }

  /** Converts the rows of one tensor and sums up the errors made. */
  private static final class Pass {
    private final WeightTensor from;
    private final TensorSpec to;
    private final float[] exact;
    private final float[] rounded;
    private double squares;
    private double errorSquares;
    private double maxError;

    Pass(WeightTensor from, TensorSpec to) {
      this.from = from;
      this.to = to;
      this.exact = new float[Math.toIntExact(to.rowElements())];
      this.rounded = new float[exact.length];
    }

    void convert(long row, MemorySegment buffer, long at) {
      if (from.dtype() == to.dtype()) {
        MemorySegment.copy(from.data(), row * from.rowBytes(), buffer, at, to.rowBytes());
        return;
      }
      int n = exact.length;
      Rows.decode(from.dtype(), from.data(), row * from.rowBytes(), exact, n);
      Blocks.quantize(to.dtype(), exact, 0, n, buffer, at);
      Rows.decode(to.dtype(), buffer, at, rounded, n);
      double sum = 0;
      double errorSum = 0;
      for (int i = 0; i < n; i++) {
        double error = Math.abs((double) rounded[i] - exact[i]);
        sum += (double) exact[i] * exact[i];
        errorSum += error * error;
        maxError = Math.max(maxError, error);
      }
      squares += sum;
      errorSquares += errorSum;
      if (!Double.isFinite(errorSum)) {
        throw bad(row);
      }
    }

    private FileException bad(long row) {
      int i = 0;
      while (Float.isFinite(exact[i]) && Float.isFinite(rounded[i])) {
        i++;
      }
      return FileException.mismatch(
          from.file(),
          "tensor " + from.name() + " row " + row + " element " + i,
          "a value that " + to.dtype().label() + " can hold",
          exact[i]);
    }

    TensorError error() {
      double elements = Math.max(1, from.elements());
      double rms = Math.sqrt(squares / elements);
      return new TensorError(
          to.name(),
          from.dtype(),
          to.dtype(),
          rms == 0 ? 0 : Math.sqrt(errorSquares / elements) / rms,
          rms == 0 ? 0 : maxError / rms);
    }
  }
}
