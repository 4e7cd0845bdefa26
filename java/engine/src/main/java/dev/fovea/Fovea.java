package dev.fovea;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Runner;
import dev.fovea.error.BackendException;
import dev.fovea.error.CancelledException;
import dev.fovea.error.InputException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.model.image.Picture;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.prompt.ImageFrame;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.tensor.DType;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * An open model.
 *
 * <pre>{@code
 * try (var fovea = Fovea.open(Path.of("models/demo"), FoveaOptions.DEFAULT);
 *     var session = fovea.session()) {
 *   var question = Question.of("What is this?").picture(picture).region(new Region.Box(40, 60, 120, 150, Units.PIXEL));
 *   System.out.println(session.ask(question, Generation.DEFAULT).text());
 * }
 * }</pre>
 *
 * <p>Any thread may open sessions and ask; one thread of the model's own does all computing, for as many questions at once as the options say,
 * and others wait for their turn in a bounded queue. The thread is a daemon: a program that ends its main thread ends.
 */
public final class Fovea implements AutoCloseable {
  private static final int MOST_CONTEXT = 4096;
  private static final int PAGE = 32;
  private static final int PROMPT_ROWS = 512;

  private final LoadedModel model;
  private final FoveaOptions options;
  private final Device device;
  private final Generator generator;
  private final Pictures pictures;
  private final int context;
  private final Scheduler scheduler;
  private final Thread worker;
  private volatile boolean closed;

  private Fovea(LoadedModel model, FoveaOptions options, Device device) {
    this.model = model;
    this.options = options;
    this.device = device;
    DecoderConfig d = model.config().decoder();
    this.context = options.context() == 0 ? Math.min(d.context(), MOST_CONTEXT) : options.context();
    DType kvType = options.kvType() != null
        ? options.kvType()
        : model.dominantType() == DType.F32 ? DType.F32 : DType.F16;
    if (d.headWidth() % kvType.blockSize() != 0) {
      throw InputException.mismatch(
          model.path() + ": width of the decoder's heads, for a key-value cache of "
              + kvType.label(),
          "a multiple of " + kvType.blockSize(),
          d.headWidth());
    }
    int pagesPerSequence = (context + PAGE - 1) / PAGE;
    Runner.Sizes sizes = new Runner.Sizes(
        context,
        pages(pagesPerSequence, kvType),
        PAGE,
        kvType,
        Math.min(PROMPT_ROWS, context),
        1,
        model.textVocabulary(),
        options.sequences());
    this.generator = new Generator(device, model.config(), model.parameters(), sizes);
    this.pictures = new Pictures(generator.runner(), model.description().preprocessing());
    this.scheduler = new Scheduler(generator, options.queue());
    this.worker = Thread.ofPlatform()
        .daemon()
        .name("fovea-" + model.path().getFileName())
        .start(scheduler::serve);
  }

  /** Of the key-value cache: room for one full conversation at least, for two if the options leave it open. Memory is taken when it is first written. */
  private int pages(int pagesPerSequence, DType kvType) {
    if (options.cacheBytes() == 0) {
      return 2 * pagesPerSequence;
    }
    DecoderConfig d = model.config().decoder();
    long page = 2L * d.layers() * kvType.bytes((long) d.keyHeads() * PAGE * d.headWidth());
    long pages = options.cacheBytes() / page;
    if (pages < pagesPerSequence) {
      throw InputException.mismatch(
          "cache bytes",
          "at least " + pagesPerSequence * page + ", for one conversation of " + context
              + " positions",
          options.cacheBytes());
    }
    return (int) Math.min(pages, Integer.MAX_VALUE);
  }

  /** Opens a model with {@link FoveaOptions#DEFAULT}. */
  public static Fovea open(Path path) {
    return open(path, FoveaOptions.DEFAULT);
  }

  /**
   * Opens a Hugging Face directory, an original LLaVA directory, or a GGUF file with its mmproj file.
   *
   * @throws dev.fovea.error.FileException if a file is missing, damaged or contradicts itself
   * @throws BackendException if the backend asked for cannot run here
   */
  public static Fovea open(Path path, FoveaOptions options) {
    OpenOptions files = new OpenOptions(
        options.vision(),
        options.mmproj(),
        options.template(),
        options.regions(),
        options.imageMode());
    LoadedModel model = LoadedModel.open(path, files);
    Device device = null;
    try {
      device = device(options);
      return new Fovea(model, options, device);
    } catch (RuntimeException | Error e) {
      if (device != null) {
        device.close();
      }
      model.close();
      throw e;
    }
  }

  /** {@code auto} is the cpu backend for now: the only one that is fast. A named backend that cannot run is an error. */
  private static Device device(FoveaOptions options) {
    String name = options.backend().equals("auto") ? "cpu" : options.backend();
    return Backend.named(name)
        .open(new DeviceOptions(options.threads(), options.tier(), options.device()));
  }

  /** A new conversation. */
  public Session session() {
    return new Session(this, null);
  }

  /** A new conversation with a system text of its own in place of the template's. */
  public Session session(String system) {
    return new Session(this, system);
  }

  /**
   * Looks whether a region lies in what the model sees of a picture.
   *
   * @throws InputException if nothing of it does
   */
  public void require(Region region, Picture picture) {
    model.description().regions().write(region, frame(picture));
  }

  ImageFrame frame(Picture p) {
    Preprocessing preprocessing = model.description().preprocessing();
    return switch (preprocessing.mode()) {
      case RESIZE -> ImageFrame.resize(p.width(), p.height());
      case PAD -> ImageFrame.padCentred(p.width(), p.height());
      case PAD_TOP_LEFT -> ImageFrame.padTopLeft(p.width(), p.height());
      case CROP ->
        ImageFrame.centreCrop(p.width(), p.height(), preprocessing.size(), preprocessing.size());
    };
  }

  public ModelInfo info() {
    LoadedModel.Description d = model.description();
    long parameters = model.parameterCount();
    String size = parameters >= 1_000_000_000
        ? String.format(Locale.ROOT, "%.1fB", parameters / 1e9)
        : String.format(Locale.ROOT, "%.1fM", parameters / 1e6);
    return new ModelInfo(
        String.valueOf(model.path().getFileName()),
        "llava " + size + " " + model.dominantType().name(),
        parameters,
        model.bytes(),
        context,
        d.template().name(),
        d.regions().name(),
        d.preprocessing().mode().name().toLowerCase(Locale.ROOT),
        d.config());
  }

  /** What computes, in words: {@code cpu: avx512_bf16, 2 threads}. */
  public String backend() {
    return device.name() + ": " + device.describe();
  }

  public Tokenizer tokenizer() {
    return model.tokenizer();
  }

  public FoveaOptions options() {
    return options;
  }

  LoadedModel model() {
    return model;
  }

  /** For the model's thread only. */
  Generator generator() {
    return generator;
  }

  /** For the model's thread only. */
  Pictures pictures() {
    return pictures;
  }

  int context() {
    return context;
  }

  /**
   * Runs something on the model's thread and waits for it: how benchmarks reach the runner.
   *
   * @throws BackendException if the model is closed
   * @throws dev.fovea.error.QueueFullException if too many questions wait already
   */
  public <T> T compute(java.util.function.Function<Generator, T> job) {
    return onWorker(() -> job.apply(generator));
  }

  /**
   * Runs work and tells how long the device itself computed meanwhile, by its own clock: for measuring, as it may slow the device down.
   * Nothing else may be asked at the same time.
   *
   * @return nanoseconds; empty if the device has no clock, and then the work was not run
   */
  public OptionalLong deviceNanos(Runnable work) {
    if (!onWorker(device::startClock)) {
      return OptionalLong.empty();
    }
    long nanos;
    try {
      work.run();
    } finally {
      nanos = onWorker(device::stopClock);
    }
    return OptionalLong.of(nanos);
  }

  <T> T onWorker(Callable<T> job) {
    FutureTask<T> task = new FutureTask<>(job);
    scheduler.run(task);
    try {
      return task.get();
    } catch (InterruptedException e) {
      task.cancel(false);
      Thread.currentThread().interrupt();
      throw new CancelledException("the question");
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case RuntimeException r -> throw r;
        case Error error -> throw error;
        case null, default -> throw new BackendException("the model's thread failed", e);
      }
    }
  }

  /**
   * Has a draft answered.
   *
   * @throws dev.fovea.error.QueueFullException if too many wait already
   */
  void submit(Draft draft) {
    scheduler.submit(draft);
  }

  /** How busy the model is now. */
  public Load load() {
    return scheduler.load();
  }

  /** Finishes what is queued, then gives everything back. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    if (Thread.currentThread() == worker) {
      throw new InputException("a model cannot be closed from its own thread");
    }
    closed = true;
    scheduler.close();
    boolean interrupted = false;
    while (worker.isAlive()) {
      try {
        worker.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    generator.close();
    device.close();
    model.close();
  }
}
