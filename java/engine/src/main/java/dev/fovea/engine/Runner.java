package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.Sampling;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.model.Llava;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
import dev.fovea.model.image.Resampling;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A model compiled for a device: pictures to features, and rows of tokens to logits with the cache's pages filled on the way. One thread at
 * a time.
 */
public final class Runner implements AutoCloseable {

  /**
   * Sizes that are fixed when the model is compiled.
   *
   * @param context most positions of one sequence
   * @param pages pages of the cache, for all sequences together
   * @param pageSize positions of a page
   * @param kvType element type of the cache
   * @param rows most prompt positions computed at once
   * @param logits most positions whose logits are wanted at once
   * @param vocabulary ids below this may be chosen
   */
  public record Sizes(
      int context, int pages, int pageSize, DType kvType, int rows, int logits, int vocabulary) {}

  private final Device device;
  private final ModelConfig config;
  private final Sizes sizes;
  private final PagePool pool;
  private final Arena arena = Arena.ofShared();
  private final List<Buffer> buffers = new ArrayList<>();
  private final Map<String, Buffer> weights = new HashMap<>();
  private final List<Buffer> caches = new ArrayList<>();
  private final Function<String, DType> dtypes;
  private final Executable picture;
  private final Buffer pixels;
  private final Resizer resizer;
  private final Phase prompt;
  private final Phase step;
  private final Buffer tokens;
  private final Buffer position;
  private final MemorySegment logits;
  private final MemorySegment oneRow; // cut once, so that a decode step allocates nothing
  private final MemorySegment next;
  private Phase last;

  /** One decoder program with the memory its inputs are written from. */
  private final class Phase {
    final Executable program;
    final MemorySegment pages;
    private int pagesWritten;
    private int posted;

    Phase(Program traced, Map<String, Buffer> bound) {
      program = device.compile(traced, bound);
      pages = arena.allocate(4L * pagesPerSequence(), 4);
    }

    /** Tells the device the sequence's pages, as far as it does not know them. */
    void write(Sequence s) {
      if (s.pageCount() != pagesWritten) {
        for (int i = 0; i < s.pageCount(); i++) {
          pages.setAtIndex(JAVA_INT, i, s.page(i));
        }
        program.write("pages", pages);
        pagesWritten = s.pageCount();
      }
    }

    void post() {
      program.post("next");
      posted++;
    }

    void begin(MemorySegment control, MemorySegment seed) {
      program.write("control", control);
      program.write("seed", seed);
      pagesWritten = -1;
    }
  }

  public Runner(Device device, ModelConfig config, ParameterSource weights, Sizes sizes) {
    this.device = device;
    this.config = config;
    this.sizes = sizes;
    this.pool = new PagePool(sizes.pages());
    this.dtypes = weights::dtype;
    Llava model = new Llava(config, dtypes);
    Map<String, Buffer> bound = new HashMap<>();
    Program seeing = model.picture();
    bind(seeing, weights, bound);
    this.picture = device.compile(seeing, bound);
    this.pixels = bound(bound, "pixels");
    this.resizer = new Resizer(device, pixels);
    Llava.Pool pages =
        new Llava.Pool(sizes.kvType(), sizes.pages(), sizes.pageSize(), 1, pagesPerSequence());
    Program reading = model.prompt(sizes.rows(), sizes.logits(), pages, sizes.vocabulary());
    bind(reading, weights, bound);
    this.prompt = new Phase(reading, bound);
    Program writing = model.step(pages, sizes.vocabulary());
    bind(writing, weights, bound);
    this.step = new Phase(writing, bound);
    this.last = prompt;
    this.tokens = bound(bound, "tokens");
    this.position = bound(bound, "pos");
    this.logits = arena.allocate(4L * sizes.logits() * config.decoder().vocabulary(), 64);
    this.oneRow = logits.asSlice(0, 4L * config.decoder().vocabulary());
    this.next = arena.allocate(4, 4);
  }

  static Buffer bound(Map<String, Buffer> bound, String name) {
    Buffer b = bound.get(name);
    if (b == null) {
      throw new IllegalStateException("no state " + name);
    }
    return b;
  }

  private void bind(Program program, ParameterSource weights, Map<String, Buffer> bound) {
    for (Value v : program.sources()) {
      if (bound.containsKey(v.name())) {
        continue; // the decoder programs share their weights and state
      }
      if (v.kind() == Value.Kind.WEIGHT) {
        Buffer b = device.constant(v.type(), weights.data(v.name(), v.type()));
        buffers.add(b);
        bound.put(v.name(), b);
        this.weights.put(v.name(), b);
      } else if (v.kind() == Value.Kind.STATE) {
        Buffer b = device.allocate(v.type());
        buffers.add(b);
        if (v.shape().axis(0) == Axis.PG) {
          caches.add(b);
        }
        bound.put(v.name(), b);
      }
    }
  }

  public ModelConfig config() {
    return config;
  }

  public Sizes sizes() {
    return sizes;
  }

  PagePool pool() {
    return pool;
  }

  int pageSize() {
    return sizes.pageSize();
  }

  private int pagesPerSequence() {
    return (sizes.context() + sizes.pageSize() - 1) / sizes.pageSize();
  }

  /** Decode steps of so many sequences at once, each with room for so many positions, with this model's weights; the caller closes it. */
  public Steps steps(int sequences, int positions) {
    int each = (positions + sizes.pageSize() - 1) / sizes.pageSize();
    Llava.Pool own =
        new Llava.Pool(sizes.kvType(), sequences * each, sizes.pageSize(), sequences, each);
    return new Steps(device, new Llava(config, dtypes), weights, own, sizes.vocabulary());
  }

  /** The programs as placed and compiled, for dumps and tests: picture, prompt, step. */
  public List<Executable> executables() {
    return List.of(picture, prompt.program, step.program);
  }

  /** pixels [C,Y,X] f32 → features [P,D] f32. */
  public void encode(MemorySegment pixels, MemorySegment features) {
    this.pixels.upload(pixels, 0);
    look(features);
  }

  /** A picture, resized on the device → features [P,D] f32. */
  public void encode(Resampling picture, MemorySegment features) {
    resizer.run(picture);
    look(features);
  }

  /** The pixels [C,Y,X] f32 that were encoded last. */
  public void pixels(MemorySegment to) {
    pixels.download(to, 0);
  }

  private void look(MemorySegment features) {
    picture.run();
    picture.read("features", features);
  }

  /** Copies a page of every layer's keys and values. */
  void copyPage(int from, int to) {
    for (Buffer cache : caches) {
      long bytes = cache.type().bytes() / sizes.pages();
      cache.copy(from * bytes, to * bytes, bytes);
    }
  }

  /** Whether a step goes on while the host does something else. */
  boolean asynchronous() {
    return step.program.asynchronous();
  }

  /** Begins another answer to a prompt of these ids (negative: picture rows), all of which will be read before the first {@link #step}. */
  void begin(int[] ids, Sampling sampling) {
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment control = staging.allocateFrom(
          JAVA_FLOAT,
          (float) sampling.temperature(),
          sampling.topK(),
          (float) sampling.topP(),
          (float) sampling.minP(),
          (float) sampling.repetitionPenalty());
      MemorySegment seed =
          staging.allocateFrom(JAVA_INT, (int) sampling.seed(), (int) (sampling.seed() >>> 32));
      while (prompt.posted + step.posted > 0) {
        next(); // of an answer that nobody waited for
      }
      prompt.begin(control, seed);
      step.begin(control, seed);
      tokens.upload(staging.allocateFrom(JAVA_INT, ids), 0);
      position.upload(staging.allocateFrom(JAVA_INT, ids.length), 0);
    }
  }

  /**
   * Reads {@code n} positions of a sequence from {@code from} on, at most {@link Sizes#rows()}; their pages must be there.
   *
   * @param ids token ids, or −1, −2, … for rows 0, 1, … of {@code image}
   * @param image features [·,D] of the picture rows among these positions; empty if there are none
   * @param wanted 1, or {@code n} if the logits of all of them are wanted, not just of the last
   * @param choose whether the last position is the prompt's last, so that the next token is chosen
   */
  void prompt(
      Sequence s, int[] ids, int from, int n, MemorySegment image, int wanted, boolean choose) {
    Executable program = prompt.program;
    program.live(Axis.T, n);
    program.live(Axis.R, wanted);
    prompt.write(s);
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment id = staging.allocate(4L * n, 4);
      MemorySegment pos = staging.allocate(4L * n, 4);
      MemorySegment rows = staging.allocate(4L * wanted, 4);
      for (int i = 0; i < n; i++) {
        id.setAtIndex(JAVA_INT, i, ids[i]);
        pos.setAtIndex(JAVA_INT, i, from + i);
      }
      for (int i = 0; i < wanted; i++) {
        rows.setAtIndex(JAVA_INT, i, i == 0 ? n - 1 : i - 1); // the last first: see Llava.prompt
      }
      program.write("ids", id);
      program.write("pos", pos);
      program.write("rows", rows);
      program.write("after.pos", staging.allocateFrom(JAVA_INT, choose ? from + n - 1 : -1));
      if (image.byteSize() > 0) {
        program.write("image", image);
      }
      program.run();
    }
    last = prompt;
    if (choose) {
      prompt.post();
    }
  }

  /**
   * Computes the token chosen last, which the host need not know yet, and chooses the one after it. The page of its position must be there.
   * Allocates nothing.
   */
  void step(Sequence s) {
    step.write(s);
    step.program.run();
    step.post();
    last = step;
  }

  /** The first token chosen and not yet asked for; waits for it. */
  int next() {
    Phase from = prompt.posted > 0 ? prompt : step;
    from.program.collect(next);
    from.posted--;
    return next.get(JAVA_INT, 0);
  }

  /** Logits [V] of the last position of the last run, valid until they are asked for again. */
  MemorySegment logits() {
    last.program.read("logits", oneRow);
    return oneRow;
  }

  /** Logits [n,V] of the n positions that the last run read, the last position's first; {@link #prompt} was told so. */
  MemorySegment logits(int n) {
    MemorySegment rows = logits.asSlice(0, 4L * n * config.decoder().vocabulary());
    last.program.read("logits", rows);
    return rows;
  }

  @Override
  public void close() {
    resizer.close();
    picture.close();
    prompt.program.close();
    step.program.close();
    buffers.forEach(Buffer::close);
    arena.close();
  }
}
