package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.Sampling;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.error.InputException;
import dev.fovea.model.Llava;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
import dev.fovea.model.image.Resampling;
import dev.fovea.op.Sample;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A model compiled for a device: pictures to features, prompts to logits with the cache's pages filled on the way, and decode steps of several
 * answers, each of which has a slot on the device: what stands where, its pages, its position. One thread at a time.
 *
 * <p>There is a program for steps of 1, 2, 4, … answers: the smallest that fits is run, over the rows that are taken.
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
   * @param sequences most answers that are written at once
   */
  public record Sizes(
      int context,
      int pages,
      int pageSize,
      DType kvType,
      int rows,
      int logits,
      int vocabulary,
      int sequences) {

    /** One answer at a time. */
    public Sizes(
        int context, int pages, int pageSize, DType kvType, int rows, int logits, int vocabulary) {
      this(context, pages, pageSize, kvType, rows, logits, vocabulary, 1);
    }

    public Sizes {
      if (sequences < 1 || sequences > MOST_SEQUENCES) {
        throw InputException.mismatch("sequences", "1 to " + MOST_SEQUENCES, sequences);
      }
    }
  }

  /** Most answers that are written at once. */
  public static final int MOST_SEQUENCES = 64;

  /** Tokens kept by a program until they are asked for: what {@link Executable#post} can hold. */
  private static final int MOST_POSTED = 2;

  private final Device device;
  private final ModelConfig config;
  private final Sizes sizes;
  private final PagePool pool;
  private final Arena arena = Arena.ofShared();
  private final List<Buffer> buffers = new ArrayList<>();
  private final Map<String, Buffer> weights = new HashMap<>();
  private final Map<String, Buffer> bound = new HashMap<>();
  private final List<Buffer> caches = new ArrayList<>();
  private final Llava model;
  private final Executable picture;
  private final Buffer pixels;
  private final Resizer resizer;
  private final Phase prompt;
  private final Bucket[] steps;
  private final Buffer tokens;
  private final Buffer pages;
  private final ArrayDeque<Integer> slots = new ArrayDeque<>();
  private final Round[] rounds;
  private int firstRound;
  private int roundCount;

  /** A decoder program, and what its runs have chosen that was not asked for yet. */
  class Phase {
    final Executable program;
    final int rows; // whose next token is chosen
    private final MemorySegment next;
    private MemorySegment logits = MemorySegment.NULL; // made when first asked for
    private int posted;
    private int live; // rows of the last run
    private boolean read; // whether their logits were

    Phase(Program traced, int rows) {
      program = device.compile(traced, bound);
      this.rows = rows;
      next = arena.allocate(4L * rows, 4);
    }

    /** Logits of all rows of the last run. */
    MemorySegment logits() {
      long row = 4L * config.decoder().vocabulary();
      if (logits.byteSize() == 0) {
        logits = arena.allocate(row * rows, 64);
      }
      if (!read) {
        program.read("logits", logits.asSlice(0, row * live));
        read = true;
      }
      return logits;
    }

    void ran(int n) {
      live = n;
      read = false;
    }
  }

  /** Decode steps of up to so many answers. */
  private final class Bucket extends Phase {
    private final Buffer position;
    private final @Nullable Decoding[] who;
    private final int[] at; // where each stands on the device
    private int count;
    private final MemorySegment seq;
    private final MemorySegment pos;
    private final MemorySegment control;
    private final MemorySegment seed;

    Bucket(Program traced, int rows) {
      super(traced, rows);
      position = bound(bound, "pos");
      who = new Decoding[rows];
      at = new int[rows];
      seq = arena.allocate(4L * rows, 4);
      pos = arena.allocate(4L * rows, 4);
      control = arena.allocate(4L * Sample.CONTROLS * rows, 4);
      seed = arena.allocate(8L * rows, 4);
    }

    /** Tells the device who is in which row, where it does not know. */
    void seat(@Nullable Decoding[] group, int n) {
      boolean same = n == count;
      for (int i = 0; same && i < n; i++) {
        same = group[i] == who[i] && Generator.at(group, i).position() == at[i];
      }
      if (same) {
        return;
      }
      for (int i = 0; i < n; i++) {
        Decoding d = Generator.at(group, i);
        who[i] = d;
        at[i] = d.position();
        seq.setAtIndex(JAVA_INT, i, d.slot());
        pos.setAtIndex(JAVA_INT, i, d.position());
        sampling(d.sampling(), control, seed, i);
      }
      for (int i = n; i < count; i++) {
        who[i] = null;
      }
      if (n != count) {
        program.live(Axis.T, n);
        count = n;
      }
      program.write("seq", seq);
      program.write("control", control);
      program.write("seed", seed);
      position.upload(pos, 0);
    }
  }

  /** A run whose tokens have not been asked for. */
  private final class Round {
    private Phase phase = prompt;
    private final @Nullable Decoding[] who =
        new Decoding[Math.max(sizes.logits(), sizes.sequences())];
    private int count;
  }

  /**
   * A piece of a prompt.
   *
   * @param last whether it is the prompt's last, so that the next token is chosen
   */
  record Chunk(Decoding of, int from, int n, boolean last) {}

  public Runner(Device device, ModelConfig config, ParameterSource weights, Sizes sizes) {
    this.device = device;
    this.config = config;
    this.sizes = sizes;
    this.pool = new PagePool(sizes.pages());
    this.model = new Llava(config, weights::dtype);
    Program seeing = model.picture();
    bind(seeing, weights);
    this.picture = device.compile(seeing, bound);
    this.pixels = bound(bound, "pixels");
    this.resizer = new Resizer(device, pixels);
    int chosen = Math.max(sizes.logits(), sizes.sequences());
    Program reading = model.prompt(sizes.rows(), chosen, pages(), sizes.vocabulary());
    bind(reading, weights);
    this.prompt = new Phase(reading, chosen);
    this.steps = new Bucket[1 + log2(sizes.sequences())];
    this.tokens = bound(bound, "tokens");
    this.pages = bound(bound, "pages");
    for (int i = 0; i < sizes.sequences(); i++) {
      slots.add(i);
    }
    this.rounds = new Round[MOST_POSTED * (1 + steps.length)];
    for (int i = 0; i < rounds.length; i++) {
      rounds[i] = new Round();
    }
    bucket(1);
  }

  private static int log2(int n) { // rounded up
    return n == 1 ? 0 : 32 - Integer.numberOfLeadingZeros(n - 1);
  }

  private Llava.Pool pages() {
    return new Llava.Pool(
        sizes.kvType(), sizes.pages(), sizes.pageSize(), sizes.sequences(), pagesPerSequence());
  }

  /** The smallest program for so many answers: compiled when it is first needed, for a power of two of them. */
  private Bucket bucket(int n) {
    int i = log2(n);
    Bucket b = steps[i];
    if (b == null) {
      int rows = Math.min(1 << i, sizes.sequences());
      Program writing = model.step(rows, pages(), sizes.vocabulary());
      Buffer position = device.allocate(TensorType.i32(Shape.of(Axis.T, rows)));
      buffers.add(position);
      bound.put("pos", position);
      b = new Bucket(writing, rows);
      steps[i] = b;
    }
    return b;
  }

  static Buffer bound(Map<String, Buffer> bound, String name) {
    Buffer b = bound.get(name);
    if (b == null) {
      throw new IllegalStateException("no state " + name);
    }
    return b;
  }

  private void bind(Program program, ParameterSource source) {
    for (Value v : program.sources()) {
      if (bound.containsKey(v.name())) {
        continue; // the decoder programs share their weights and state
      }
      if (v.kind() == Value.Kind.WEIGHT) {
        Buffer b = device.constant(v.type(), source.data(v.name(), v.type()));
        buffers.add(b);
        bound.put(v.name(), b);
        weights.put(v.name(), b);
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
    return new Steps(device, model, weights, own, sizes.vocabulary());
  }

  /** The programs as placed and compiled, for dumps and tests: picture, prompt, step. */
  public List<Executable> executables() {
    return List.of(picture, prompt.program, bucket(1).program);
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
    return prompt.program.asynchronous();
  }

  /** Takes a slot on the device for an answer, and tells it what it is to know: the prompt's ids (negative: picture rows) and pages. */
  int open(Decoding d) {
    int slot = slots.remove();
    Sequence s = d.sequence();
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment table = staging.allocate(4L * s.pageCount(), 4);
      for (int i = 0; i < s.pageCount(); i++) {
        table.setAtIndex(JAVA_INT, i, s.page(i));
      }
      pages.upload(table, 4L * slot * pagesPerSequence());
      long places = tokens.type().shape().size(1);
      tokens.upload(staging.allocateFrom(JAVA_INT, d.ids()), 4L * slot * places);
    }
    return slot;
  }

  /** Runs that have begun may still write what they chose into the slot; whoever takes it next writes after them. */
  void close(Decoding d) {
    slots.add(d.slot());
  }

  private static void sampling(Sampling s, MemorySegment control, MemorySegment seed, int row) {
    long at = (long) Sample.CONTROLS * row;
    control.setAtIndex(JAVA_FLOAT, at, (float) s.temperature());
    control.setAtIndex(JAVA_FLOAT, at + 1, s.topK());
    control.setAtIndex(JAVA_FLOAT, at + 2, (float) s.topP());
    control.setAtIndex(JAVA_FLOAT, at + 3, (float) s.minP());
    control.setAtIndex(JAVA_FLOAT, at + 4, (float) s.repetitionPenalty());
    seed.setAtIndex(JAVA_INT, 2L * row, (int) s.seed());
    seed.setAtIndex(JAVA_INT, 2L * row + 1, (int) (s.seed() >>> 32));
  }

  /**
   * Reads pieces of prompts, at most {@link Sizes#rows()} positions and {@link Sizes#sequences()} pieces. Where an answer is traced, which
   * must be alone, the logits of all its positions can be asked for, else those of each piece's last.
   */
  void prompt(List<Chunk> chunks) {
    Executable program = prompt.program;
    int total = 0;
    for (Chunk c : chunks) {
      total += c.n();
    }
    boolean all = chunks.getFirst().of().tap() != null;
    int wanted = all ? total : chunks.size();
    makeRoom(prompt);
    Round round = next(prompt);
    boolean chosen = false;
    program.live(Axis.T, total);
    program.live(Axis.R, wanted);
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment id = staging.allocate(4L * total, 4);
      MemorySegment pos = staging.allocate(4L * total, 4);
      MemorySegment seq = staging.allocate(4L * total, 4);
      MemorySegment rows = staging.allocate(4L * wanted, 4);
      MemorySegment afterSeq = staging.allocate(4L * wanted, 4);
      MemorySegment afterPos = staging.allocate(4L * wanted, 4);
      MemorySegment control = staging.allocate(4L * Sample.CONTROLS * wanted, 4);
      MemorySegment seed = staging.allocate(8L * wanted, 4);
      long width = 4L * config.decoder().width();
      int images = 0;
      for (Chunk c : chunks) {
        for (int i = 0; i < c.n(); i++) {
          images += c.of().ids()[c.from() + i] < 0 ? 1 : 0;
        }
      }
      MemorySegment image = staging.allocate(width * images, 64);
      int at = 0;
      int imageRow = 0;
      int piece = 0;
      for (Chunk c : chunks) {
        Decoding d = c.of();
        for (int i = 0; i < c.n(); i++, at++) {
          int token = d.ids()[c.from() + i];
          if (token < 0) {
            d.pictureRow(-1 - token, image, imageRow);
            token = -1 - imageRow++;
          }
          id.setAtIndex(JAVA_INT, at, token);
          pos.setAtIndex(JAVA_INT, at, c.from() + i);
          seq.setAtIndex(JAVA_INT, at, d.slot());
        }
        rows.setAtIndex(JAVA_INT, piece, at - 1);
        afterSeq.setAtIndex(JAVA_INT, piece, d.slot());
        afterPos.setAtIndex(JAVA_INT, piece, c.last() ? c.from() + c.n() - 1 : -1);
        sampling(d.sampling(), control, seed, piece);
        d.phase = prompt;
        d.row = piece;
        round.who[piece] = c.last() ? d : null;
        chosen |= c.last();
        piece++;
      }
      for (int i = piece; i < wanted; i++) { // the last position comes first
        rows.setAtIndex(JAVA_INT, i, i - 1);
        afterPos.setAtIndex(JAVA_INT, i, -1);
        sampling(Sampling.GREEDY, control, seed, i);
      }
      program.write("ids", id);
      program.write("pos", pos);
      program.write("seq", seq);
      program.write("rows", rows);
      program.write("after.seq", afterSeq);
      program.write("after.pos", afterPos);
      program.write("control", control);
      program.write("seed", seed);
      if (images > 0) {
        program.write("image", image);
      }
      program.run();
    }
    prompt.ran(wanted);
    if (chosen) {
      post(round, chunks.size());
    }
  }

  /**
   * Computes the token of each answer chosen last, which the host need not know yet, and chooses the one after it. Allocates nothing, once
   * the programs are there.
   */
  void step(@Nullable Decoding[] group, int n) {
    Bucket b = bucket(n);
    for (int i = 0; i < n; i++) {
      Decoding d = Generator.at(group, i);
      if (d.position() >= d.limit()) {
        throw new IllegalStateException("no room at position " + d.position());
      }
    }
    makeRoom(b);
    b.seat(group, n);
    b.program.run();
    b.ran(n);
    Round round = next(b);
    for (int i = 0; i < n; i++) {
      Decoding d = Generator.at(group, i);
      d.phase = b;
      d.row = i;
      b.at[i]++;
      round.who[i] = d;
    }
    post(round, n);
  }

  private void makeRoom(Phase phase) {
    while (phase.posted == MOST_POSTED) {
      collect();
    }
  }

  private Round next(Phase phase) {
    Round r = rounds[(firstRound + roundCount) % rounds.length];
    r.phase = phase;
    return r;
  }

  private void post(Round round, int count) {
    round.count = count;
    round.phase.program.post("next");
    round.phase.posted++;
    roundCount++;
  }

  /** Hands out the tokens of the first run whose tokens were not asked for; waits for it. */
  void collect() {
    if (roundCount == 0) {
      throw new IllegalStateException("nothing was begun");
    }
    Round r = rounds[firstRound];
    firstRound = (firstRound + 1) % rounds.length;
    roundCount--;
    r.phase.program.collect(r.phase.next);
    r.phase.posted--;
    for (int i = 0; i < r.count; i++) {
      Decoding d = r.who[i];
      r.who[i] = null;
      if (d != null) {
        d.arrive(r.phase.next.getAtIndex(JAVA_INT, i));
      }
    }
  }

  /** Logits [V] of the last position computed of an answer, valid until they are asked for again. */
  MemorySegment logits(Decoding d) {
    Phase phase = d.phase;
    if (phase == null) {
      throw new IllegalStateException("nothing was computed");
    }
    long bytes = 4L * config.decoder().vocabulary();
    return phase.logits().asSlice(d.row * bytes, bytes);
  }

  /** Logits [n,V] of the n positions of a traced answer that the last run read, the last position's first. */
  MemorySegment logits() {
    return prompt.logits();
  }

  @Override
  public void close() {
    resizer.close();
    picture.close();
    prompt.program.close();
    for (Bucket b : steps) {
      if (b != null) {
        b.program.close();
      }
    }
    buffers.forEach(Buffer::close);
    arena.close();
  }
}
