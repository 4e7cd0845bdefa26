package dev.fovea.engine;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.model.Llava;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.ParameterSource;
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
   */
  public record Sizes(int context, int pages, int pageSize, DType kvType, int rows, int logits) {}

  private final Device device;
  private final ModelConfig config;
  private final Sizes sizes;
  private final PagePool pool;
  private final Arena arena = Arena.ofShared();
  private final List<Buffer> buffers = new ArrayList<>();
  private final List<Buffer> caches = new ArrayList<>();
  private final Executable picture;
  private final Phase prefill;
  private final Phase decode;
  private final MemorySegment logits;
  private final MemorySegment oneRow; // cut once, so that a decode step allocates nothing

  /** One decoder program with the memory its inputs are written from. */
  private final class Phase {
    final Executable program;
    final MemorySegment ids;
    final MemorySegment pos;
    final MemorySegment rows;
    final MemorySegment pages;

    Phase(int rowCount, int logitCount, Program traced, Map<String, Buffer> bound) {
      program = device.compile(traced, bound);
      ids = arena.allocate(4L * rowCount, 4);
      pos = arena.allocate(4L * rowCount, 4);
      rows = arena.allocate(4L * logitCount, 4);
      pages = arena.allocate(4L * pagesPerSequence(), 4);
    }
  }

  public Runner(Device device, ModelConfig config, ParameterSource weights, Sizes sizes) {
    this.device = device;
    this.config = config;
    this.sizes = sizes;
    this.pool = new PagePool(sizes.pages());
    Llava model = new Llava(config, weights::dtype);
    Map<String, Buffer> bound = new HashMap<>();
    Program seeing = model.picture();
    bind(seeing, weights, bound);
    this.picture = device.compile(seeing, bound);
    Llava.Pool pages =
        new Llava.Pool(sizes.kvType(), sizes.pages(), sizes.pageSize(), 1, pagesPerSequence());
    Program many = model.decoder(sizes.rows(), sizes.logits(), pages);
    bind(many, weights, bound);
    this.prefill = new Phase(sizes.rows(), sizes.logits(), many, bound);
    this.decode = new Phase(1, 1, model.decoder(1, 1, pages), bound);
    this.logits = arena.allocate(4L * sizes.logits() * config.decoder().vocabulary(), 64);
    this.oneRow = logits.asSlice(0, 4L * config.decoder().vocabulary());
  }

  private void bind(Program program, ParameterSource weights, Map<String, Buffer> bound) {
    for (Value v : program.sources()) {
      if (v.kind() == Value.Kind.WEIGHT) {
        Buffer b = device.constant(v.type(), weights.data(v.name(), v.type()));
        buffers.add(b);
        bound.put(v.name(), b);
      } else if (v.kind() == Value.Kind.STATE) {
        Buffer b = device.allocate(v.type());
        buffers.add(b);
        caches.add(b);
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

  /** The programs as placed and compiled, for dumps and tests: picture, prefill, decode. */
  public List<Executable> executables() {
    return List.of(picture, prefill.program, decode.program);
  }

  /** pixels [C,Y,X] f32 → features [P,D] f32. */
  public void encode(MemorySegment pixels, MemorySegment features) {
    picture.write("pixels", pixels);
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

  /**
   * Runs {@code n} positions of a sequence that start at {@code from}, at most {@link Sizes#rows()}; their pages must be there.
   *
   * @param ids token ids, or −1, −2, … for rows 0, 1, … of {@code image}
   * @param image features [·,D] of the picture rows among these positions; empty if there are none
   * @param wanted how many of the last positions' logits are wanted, at most {@link Sizes#logits()}
   * @return logits [wanted,V] f32, valid until the next run
   */
  MemorySegment forward(
      Sequence s, int[] ids, int idsFrom, int from, int n, MemorySegment image, int wanted) {
    Phase phase = n == 1 && wanted == 1 && image.byteSize() == 0 ? decode : prefill;
    for (int i = 0; i < n; i++) {
      phase.ids.setAtIndex(JAVA_INT, i, ids[idsFrom + i]);
      phase.pos.setAtIndex(JAVA_INT, i, from + i);
    }
    for (int i = 0; i < s.pageCount(); i++) {
      phase.pages.setAtIndex(JAVA_INT, i, s.page(i));
    }
    for (int i = 0; i < wanted; i++) {
      phase.rows.setAtIndex(JAVA_INT, i, n - wanted + i);
    }
    Executable program = phase.program;
    program.live(Axis.T, n);
    program.live(Axis.R, wanted);
    program.write("ids", phase.ids);
    program.write("pos", phase.pos);
    program.write("rows", phase.rows);
    program.write("pages", phase.pages);
    if (image.byteSize() > 0) {
      program.write("image", image);
    }
    program.run();
    program.read(
        "logits",
        wanted == 1 ? oneRow : logits.asSlice(0, 4L * wanted * config.decoder().vocabulary()));
    return logits;
  }

  @Override
  public void close() {
    picture.close();
    prefill.program.close();
    decode.program.close();
    buffers.forEach(Buffer::close);
    arena.close();
  }
}
