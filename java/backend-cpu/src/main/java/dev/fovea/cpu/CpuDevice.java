package dev.fovea.cpu;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Ceilings;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.binding.Args;
import dev.fovea.error.BackendException;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** The processor: host memory, and kernels of its tier and below. */
final class CpuDevice implements Device {

  /** A native kernel by its place in the table. */
  record CpuKernel(Library.Entry entry) implements Kernel {
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

  /** Some milliseconds on any tier: a round takes a dozen cycles or so. */
  private static final long PEAK_ROUNDS = 40_000;

  private final int threads;
  private final Tier tier;
  private final List<CpuKernel> kernels = new ArrayList<>();
  private long context;

  CpuDevice(int threads, Tier tier) {
    this.threads = threads;
    this.tier = tier;
    for (Library.Entry e : Library.kernels()) {
      kernels.add(new CpuKernel(e));
    }
    this.context = Library.open(threads);
  }

  int threads() {
    return threads;
  }

  /** The native context; throws once closed. */
  long context() {
    if (context == 0) {
      throw new BackendException("the cpu device is closed");
    }
    return context;
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public String describe() {
    return tier.label() + ", " + threads + (threads == 1 ? " thread" : " threads");
  }

  @Override
  public List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out) {
    String signature = Node.signature(in, out);
    List<Candidate> candidates = new ArrayList<>();
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment args = scratch.allocate(Args.bytes(op), 8);
      Args.describe(args, op, in, out);
      for (CpuKernel k : kernels) {
        if (k.op().equals(op.name()) && k.signature().equals(signature)) {
          candidates.add(new Candidate(k, rejection(k, op, args)));
        }
      }
    }
    return candidates;
  }

  private @Nullable String rejection(CpuKernel k, Op op, MemorySegment args) {
    if (!tier.includes(k.entry().tier())) {
      return "needs " + k.entry().tier().label() + ", this device is opened for " + tier.label();
    }
    if (k.entry().argsBytes() != Args.bytes(op)) {
      return "its argument struct has " + k.entry().argsBytes()
          + " bytes, the op's declaration makes " + Args.bytes(op);
    }
    return Library.rejects(k.entry().index(), args);
  }

  @Override
  public Buffer allocate(TensorType type) {
    return new CpuBuffer(type);
  }

  @Override
  public Buffer constant(TensorType type, MemorySegment data) {
    return new CpuBuffer(type, data);
  }

  @Override
  public Executable compile(Plan plan, Map<String, Buffer> bound) {
    return new CpuExecutable(this, plan, bound);
  }

  @Override
  public Ceilings ceilings() {
    long bytes = 256L << 20; // more than caches hold
    try (Arena arena = Arena.ofShared()) {
      MemorySegment memory = Library.allocate(bytes, arena);
      memory.fill((byte) 1); // pages that nobody wrote would all be the same one
      return new Ceilings(
          best(() -> {
            long _ = Library.read(context(), memory);
            return bytes;
          }),
          best(() -> Library.peak(context(), tier, DType.Q8_0, PEAK_ROUNDS)),
          best(() -> Library.peak(context(), tier, DType.BF16, PEAK_ROUNDS)),
          Double.NaN);
    }
  }

  /** Work a second, the best of a few tries. */
  private static double best(LongSupplier work) {
    double best = 0;
    for (int i = 0; i < 5; i++) {
      long start = System.nanoTime();
      long done = work.getAsLong();
      best = Math.max(best, 1e9 * done / (System.nanoTime() - start));
    }
    return best;
  }

  @Override
  public void close() {
    if (context != 0) {
      Library.close(context);
      context = 0;
    }
  }
}
