package dev.fovea;

import dev.fovea.engine.Runner;
import dev.fovea.error.InputException;
import dev.fovea.model.image.ImageMode;
import dev.fovea.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to open a model. {@link #DEFAULT} suits most; what matters is said by name:
 *
 * {@snippet :
 * var options = FoveaOptions.builder().threads(4).context(2048).build();
 * }
 *
 * @param backend {@code auto} or a backend's name; a named one that cannot run is an error, never replaced by another
 * @param threads threads of the cpu backend; 0 for the physical cores this process may use
 * @param tier highest instruction set of the cpu backend; null for the best
 * @param device which device of the opencl backend, by index or part of its name; null for its choice
 * @param context positions of one conversation; 0 for what the model was trained for, at most 4096
 * @param kvType element type of the key-value cache, F32, F16 or Q8_0 (half of F16, for heads of whole blocks of 32); null for F32 where the
 *     weights are F32, else F16
 * @param sequences most questions answered at once, 1 to 64
 * @param queue most questions that wait for their turn
 * @param cacheBytes memory of the key-value cache, in which at least one conversation fits; 0 for two full conversations
 * @param vision folder of a separate CLIP tower, for original LLaVA checkpoints that do not hold it; null if there is none
 * @param mmproj vision and projector file of a GGUF pair; null to look beside the model file
 * @param template name of a conversation template; null for the model's own
 * @param regions name of a referring-prompt preset; null for the model's own
 * @param imageMode how pictures become squares; null for the model's own
 * @param exif turn pictures as their EXIF orientation says
 */
public record FoveaOptions(
    String backend,
    int threads,
    @Nullable String tier,
    @Nullable String device,
    int context,
    @Nullable DType kvType,
    int sequences,
    int queue,
    long cacheBytes,
    @Nullable Path vision,
    @Nullable Path mmproj,
    @Nullable String template,
    @Nullable String regions,
    @Nullable ImageMode imageMode,
    boolean exif) {

  private static final List<DType> KV_TYPES = List.of(DType.F16, DType.Q8_0, DType.F32);

  public static final FoveaOptions DEFAULT = new FoveaOptions(
      "auto", 0, null, null, 0, null, 8, 256, 0, null, null, null, null, null, false);

  public FoveaOptions {
    if (context < 0 || context > 1 << 20) {
      throw InputException.mismatch("context", "0 (the model's) to " + (1 << 20), context);
    }
    if (sequences < 1 || sequences > Runner.MOST_SEQUENCES) {
      throw InputException.mismatch("sequences", "1 to " + Runner.MOST_SEQUENCES, sequences);
    }
    if (queue < 1) {
      throw InputException.mismatch("queue", "1 or more", queue);
    }
    if (cacheBytes < 0) {
      throw InputException.mismatch("cache bytes", "0 (two conversations) or more", cacheBytes);
    }
    if (kvType != null && !KV_TYPES.contains(kvType)) {
      throw InputException.mismatch("key-value cache type", "f16, q8_0 or f32", kvType.label());
    }
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return DEFAULT.toBuilder();
  }

  /** Begins with these options. */
  public Builder toBuilder() {
    return new Builder(this);
  }

  /** Options in the making; what each one means is told at the record's component of the same name. */
  public static final class Builder {
    private String backend;
    private int threads;
    private @Nullable String tier;
    private @Nullable String device;
    private int context;
    private @Nullable DType kvType;
    private int sequences;
    private int queue;
    private long cacheBytes;
    private @Nullable Path vision;
    private @Nullable Path mmproj;
    private @Nullable String template;
    private @Nullable String regions;
    private @Nullable ImageMode imageMode;
    private boolean exif;

    private Builder(FoveaOptions from) {
      backend = from.backend;
      threads = from.threads;
      tier = from.tier;
      device = from.device;
      context = from.context;
      kvType = from.kvType;
      sequences = from.sequences;
      queue = from.queue;
      cacheBytes = from.cacheBytes;
      vision = from.vision;
      mmproj = from.mmproj;
      template = from.template;
      regions = from.regions;
      imageMode = from.imageMode;
      exif = from.exif;
    }

    public Builder backend(String backend) {
      this.backend = backend;
      return this;
    }

    public Builder threads(int threads) {
      this.threads = threads;
      return this;
    }

    public Builder tier(@Nullable String tier) {
      this.tier = tier;
      return this;
    }

    public Builder device(@Nullable String device) {
      this.device = device;
      return this;
    }

    public Builder context(int context) {
      this.context = context;
      return this;
    }

    public Builder kvType(@Nullable DType kvType) {
      this.kvType = kvType;
      return this;
    }

    public Builder sequences(int sequences) {
      this.sequences = sequences;
      return this;
    }

    public Builder queue(int queue) {
      this.queue = queue;
      return this;
    }

    public Builder cacheBytes(long cacheBytes) {
      this.cacheBytes = cacheBytes;
      return this;
    }

    public Builder vision(@Nullable Path vision) {
      this.vision = vision;
      return this;
    }

    public Builder mmproj(@Nullable Path mmproj) {
      this.mmproj = mmproj;
      return this;
    }

    public Builder template(@Nullable String template) {
      this.template = template;
      return this;
    }

    public Builder regions(@Nullable String regions) {
      this.regions = regions;
      return this;
    }

    public Builder imageMode(@Nullable ImageMode imageMode) {
      this.imageMode = imageMode;
      return this;
    }

    public Builder exif(boolean exif) {
      this.exif = exif;
      return this;
    }

    /**
     * The options.
     *
     * @throws InputException if a number is out of range
     */
    public FoveaOptions build() {
      return new FoveaOptions(
          backend,
          threads,
          tier,
          device,
          context,
          kvType,
          sequences,
          queue,
          cacheBytes,
          vision,
          mmproj,
          template,
          regions,
          imageMode,
          exif);
    }
  }
}
