package dev.fovea.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.binding.Args;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A CUDA device, or the emulated one: its memory, the pinned memory through which everything goes in and out, and the kernels of its
 * compute capability and below.
 */
final class CudaDevice implements Device {
  /** Half of the staging memory: one half is filled while the device copies from the other. */
  private static final int STAGE_BYTES = 8 << 20;

  /**
   * The fewest rows of a linear map that cuBLAS may get by its speed. Below are the steps of decoding, whose results must not depend on
   * how many sequences are decoded at once; cuBLAS may add in another order for every number of rows.
   */
  private static final int FEWEST_CUBLAS_ROWS = 65;

  /**
   * A native kernel by its place in the table.
   *
   * @param note why it was chosen where others could have been, or null
   */
  record CudaKernel(Library.Entry entry, @Nullable String note) implements Kernel {
    CudaKernel(Library.Entry entry) {
      this(entry, null);
    }

    CudaKernel because(String why) {
      return new CudaKernel(entry, why);
    }

    /** Whether another library does the work, so that it must be there. */
    boolean isCublas() {
      return entry.variant().equals("cublas");
    }

    @Override
    public String op() {
      return entry.op();
    }

    @Override
    public String signature() {
      return entry.signature();
    }

    @Override
    public String variant() {
      return entry.variant();
    }
  }

  /** Pinned memory, and when the device has read it. */
  private record Stage(Driver.Place place, MemorySegment memory, Driver.Mark copied) {}

  private final String name;
  private final Driver driver;
  private final Library library;
  private final int capability;
  private final Switches switches;
  private final List<CudaKernel> kernels = new ArrayList<>();
  private final Stage[] stages = new Stage[2];
  private final Driver.Place error;
  private final Driver.Place errorPinned;
  private final MemorySegment errorCell;
  /** Buffers and executables that are open. */
  private final Set<AutoCloseable> open = new LinkedHashSet<>();

  private final KernelTimes times;
  private final long context;
  private boolean cublasOffered;
  private @Nullable CudaExecutable ran;
  private boolean othersRan;
  private boolean closed;

  /**
   * Takes over a driver, which is closed with the device.
   *
   * @param capability kernels that need more are not used
   * @param switches how programs run
   * @param times of kernels, known and to be measured
   */
  CudaDevice(
      String name,
      Driver driver,
      Library library,
      int capability,
      Switches switches,
      KernelTimes times) {
    this.name = name;
    this.times = times;
    this.driver = driver;
    this.library = library;
    this.capability = capability;
    this.switches = switches;
    driver.enter();
    for (Library.Entry e : library.kernels()) {
      kernels.add(new CudaKernel(e));
    }
    for (int i = 0; i < stages.length; i++) {
      Driver.Place place = driver.pin(STAGE_BYTES);
      stages[i] = new Stage(place, Driver.view(place, STAGE_BYTES), driver.mark());
    }
    errorPinned = driver.pin(64);
    errorCell = Driver.view(errorPinned, 64);
    error = driver.allocate(256);
    driver.zero(error, 256);
    driver.synchronize();
    context = library.open(error.address());
    library.overlap(context, switches.overlap());
    if (switches.persistent()) {
      String why =
          capability < 90 ? "it needs compute capability 9.0" : library.rejectsPersistent(context);
      if (why != null) {
        library.close(context);
        throw new BackendException("no persistent kernel (-Dfovea.cuda.persistent=true): " + why);
      }
    }
  }

  /** The driver, current on this thread; throws once closed. */
  Driver driver() {
    if (closed) {
      throw new BackendException("the " + name + " device is closed");
    }
    driver.enter();
    return driver;
  }

  Library library() {
    return library;
  }

  long context() {
    return context;
  }

  boolean asynchronous() {
    return driver.asynchronous();
  }

  Switches switches() {
    return switches;
  }

  /** Buffers and executables that were not closed yet. */
  int live() {
    return open.size();
  }

  void forget(AutoCloseable resource) {
    open.remove(resource);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String describe() {
    return driver.describe();
  }

  @Override
  public List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out) {
    driver();
    String signature = Node.signature(in, out);
    List<Candidate> candidates = new ArrayList<>();
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment args = scratch.allocate(Args.bytes(op), 8);
      Args.describe(args, op, in, out);
      for (CudaKernel k : kernels) {
        if (k.op().equals(op.name()) && k.signature().equals(signature)) {
          candidates.add(new Candidate(k, rejection(k, op, args)));
        }
      }
    }
    return candidates;
  }

  /**
   * The best of our own kernels, or cuBLAS where it is wanted: by its switch, or because it is there, faster on this device, and no step of
   * decoding would get other bits by it.
   */
  @Override
  public @Nullable Kernel select(Op op, List<@Nullable TensorType> in, TensorType out) {
    CudaKernel ours = null;
    Candidate cublas = null;
    for (Candidate c : candidates(op, in, out)) {
      CudaKernel k = (CudaKernel) c.kernel();
      if (k.isCublas()) {
        cublas = c;
      } else if (c.rejected() == null) {
        ours = k;
      }
    }
    if (cublas == null) {
      return ours;
    }
    CudaKernel theirs = (CudaKernel) cublas.kernel();
    if (cublas.rejected() != null) {
      return ours == null ? null : ours.because(cublas.rejected());
    }
    if (ours == null || switches.cublas() == Switches.Cublas.TRUE) {
      return theirs;
    }
    if (out.shape().size(0) < FEWEST_CUBLAS_ROWS) {
      return ours;
    }
    return driver.asynchronous() ? faster(op, in, out, ours, theirs) : ours;
  }

  private CudaKernel faster(
      Op op, List<@Nullable TensorType> in, TensorType out, CudaKernel ours, CudaKernel theirs) {
    finish(); // what earlier runs left undone counts for nothing, what they did wrong is theirs
    String key = String.join(
        ", ",
        describe(),
        driver.gemmNote(),
        library.build(),
        op.name(),
        Node.signature(in, out),
        String.valueOf(in.getFirst()),
        String.valueOf(out),
        ours.variant());
    try {
      KernelTimes.Times t = times.of(key, () -> KernelTimes.race(this, op, in, ours, theirs));
      boolean wins = t.second() < t.first();
      return (wins ? theirs : ours)
          .because(String.format(
              Locale.ROOT,
              "%s %.1f us, cublas %.1f us",
              ours.variant(),
              t.first() / 1e3,
              t.second() / 1e3));
    } catch (BackendException e) {
      return ours.because(String.valueOf(e.getMessage()));
    }
  }

  private void offerCublas() {
    if (!cublasOffered) {
      cublasOffered = true;
      if (switches.cublas() != Switches.Cublas.FALSE) {
        library.offerGemm(context, driver.gemm());
      }
    }
  }

  private @Nullable String rejection(CudaKernel k, Op op, MemorySegment args) {
    if (k.isCublas()) {
      offerCublas();
      if (switches.cublas() == Switches.Cublas.FALSE) {
        return "cuBLAS is switched off";
      }
      if (driver.gemm() == 0) {
        return driver.gemmNote();
      }
    }
    if (k.entry().capability() > capability) {
      return "needs compute capability " + k.entry().capability() + ", this device is opened for "
          + capability;
    }
    if (k.entry().argsBytes() != Args.bytes(op)) {
      return "its argument struct has " + k.entry().argsBytes()
          + " bytes, the op's declaration makes " + Args.bytes(op);
    }
    return library.rejects(context, k.entry().index(), args);
  }

  @Override
  public Buffer allocate(TensorType type) {
    CudaBuffer buffer = new CudaBuffer(this, type);
    open.add(buffer);
    driver().zero(buffer.place(), type.bytes());
    return buffer;
  }

  @Override
  public Buffer constant(TensorType type, MemorySegment data) {
    if (data.byteSize() != type.bytes()) {
      throw new InputException(
          type + " takes " + type.bytes() + " bytes, the memory given has " + data.byteSize());
    }
    CudaBuffer buffer = new CudaBuffer(this, type);
    open.add(buffer);
    buffer.upload(data, 0);
    return buffer;
  }

  @Override
  public Executable compile(Plan plan, Map<String, Buffer> bound) {
    driver();
    CudaExecutable executable = new CudaExecutable(this, plan, bound);
    open.add(executable);
    return executable;
  }

  /** Copies into the device's memory through pinned memory: returns when the last piece is there, before the device has it. */
  void send(Driver.Place to, MemorySegment from) {
    Driver d = driver();
    long bytes = from.byteSize();
    int next = 0;
    for (long at = 0; at < bytes; at += STAGE_BYTES) {
      Stage stage = stages[next];
      next = 1 - next;
      long n = Math.min(STAGE_BYTES, bytes - at);
      d.await(stage.copied());
      MemorySegment.copy(from, at, stage.memory(), 0, n);
      d.toDevice(at == 0 ? to : d.at(to, at), stage.place(), n);
      d.record(stage.copied());
    }
  }

  /** Copies out of the device's memory, after everything that was enqueued before; throws what went wrong in it. */
  void fetch(Driver.Place from, MemorySegment to) {
    Driver d = driver();
    Stage stage = stages[0];
    long bytes = to.byteSize();
    for (long at = 0; at < bytes; at += STAGE_BYTES) {
      long n = Math.min(STAGE_BYTES, bytes - at);
      d.toHost(stage.place(), at == 0 ? from : d.at(from, at), n);
      finish();
      MemorySegment.copy(stage.memory(), 0, to, at, n);
    }
  }

  /** Blocks in {@code from} go to their places in the two planes of a weight. */
  void split(DType dtype, MemorySegment from, Driver.Place quants, Driver.Place scales) {
    Driver d = driver();
    int scaleBytes = dtype.scaleBytes();
    int quantBytes = dtype.blockBytes() - scaleBytes;
    long blocks = from.byteSize() / dtype.blockBytes();
    long piece = STAGE_BYTES / dtype.blockBytes();
    int next = 0;
    for (long at = 0; at < blocks; at += piece) {
      Stage stage = stages[next];
      next = 1 - next;
      long n = Math.min(piece, blocks - at);
      d.await(stage.copied());
      long staged = stage.place().address();
      library.split(
          dtype.code(),
          from.address() + at * dtype.blockBytes(),
          n,
          staged,
          staged + piece * quantBytes);
      d.toDevice(d.at(quants, at * quantBytes), stage.place(), n * quantBytes);
      d.toDevice(
          d.at(scales, at * scaleBytes), d.at(stage.place(), piece * quantBytes), n * scaleBytes);
      d.record(stage.copied());
    }
  }

  /** And back, as they were given. */
  void join(DType dtype, Driver.Place quants, Driver.Place scales, MemorySegment to) {
    Driver d = driver();
    int scaleBytes = dtype.scaleBytes();
    int quantBytes = dtype.blockBytes() - scaleBytes;
    long blocks = to.byteSize() / dtype.blockBytes();
    long piece = STAGE_BYTES / dtype.blockBytes();
    Stage stage = stages[0];
    for (long at = 0; at < blocks; at += piece) {
      long n = Math.min(piece, blocks - at);
      d.toHost(stage.place(), d.at(quants, at * quantBytes), n * quantBytes);
      d.toHost(
          d.at(stage.place(), piece * quantBytes), d.at(scales, at * scaleBytes), n * scaleBytes);
      finish();
      long staged = stage.place().address();
      library.join(
          dtype.code(),
          staged,
          staged + piece * quantBytes,
          n,
          to.address() + at * dtype.blockBytes());
    }
  }

  /** That program ran; its kernels may have met bad data. */
  void ran(CudaExecutable executable) {
    othersRan |= ran != null && ran != executable;
    ran = executable;
  }

  /** Waits for everything enqueued, and throws what went wrong in it. */
  void finish() {
    Driver d = driver();
    d.toHost(errorPinned, error, 4);
    d.synchronize();
    judge(errorCell.get(JAVA_INT, 0), ran);
    ran = null;
  }

  /** Where kernels leave what is wrong with their data. */
  Driver.Place error() {
    return error;
  }

  /** Throws what the error cell says after runs of {@code last} and perhaps of programs before it. */
  void judge(int code, @Nullable CudaExecutable last) {
    boolean several = othersRan;
    othersRan = last != ran;
    if (code != 0) {
      driver().zero(error, 4);
      String status = NativeLibrary.status(code & 0xff);
      throw new BackendException(
          last == null
              ? status
              : several
                  ? last.plan().program().name() + " or a program before it: " + status
                  : last.step(code >>> 8) + ": " + status);
    }
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    Driver d = driver();
    BackendException failure = null;
    try {
      d.synchronize(); // the device may still be at work on what is freed here
    } catch (BackendException e) {
      failure = e;
    }
    for (AutoCloseable resource : List.copyOf(open)) {
      switch (resource) {
        case CudaBuffer b -> b.close();
        case CudaExecutable e -> e.close();
        default -> throw new IllegalStateException(resource.toString());
      }
    }
    library.close(context);
    for (Stage stage : stages) {
      d.unpin(stage.place());
      d.free(stage.copied());
    }
    d.unpin(errorPinned);
    d.free(error);
    closed = true;
    d.close();
    if (failure != null) {
      throw failure;
    }
  }
}
