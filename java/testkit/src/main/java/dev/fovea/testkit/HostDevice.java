package dev.fovea.testkit;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.backend.Mailbox;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Host memory laid out exactly as a plan says, and kernels written in Java: each op's definition, or a mutant of it. Unlike the reference
 * backend it shares memory between values and runs fused ops, so it shows what placement and fusion do.
 */
public final class HostDevice implements Device {
  private final String variant;
  private final Predicate<Op> runs;
  private final Computation computation;
  private final Arena memory = Arena.ofShared();

  /** A kernel in Java. */
  private record HostKernel(String op, String signature, String variant, Computation computation)
      implements Kernel {}

  /** Every op by its definition. */
  public HostDevice() {
    this("definition", op -> true, Computation.DEFINITION);
  }

  /**
   * Kernels of one's own.
   *
   * @param variant what the kernels are called
   * @param runs the ops there are kernels for
   * @param computation what they do
   */
  public HostDevice(String variant, Predicate<Op> runs, Computation computation) {
    this.variant = variant;
    this.runs = runs;
    this.computation = computation;
  }

  @Override
  public String name() {
    return "host";
  }

  @Override
  public String describe() {
    return "host memory, " + variant;
  }

  @Override
  public List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out) {
    return runs.test(op)
        ? List.of(new Candidate(
            new HostKernel(op.name(), Node.signature(in, out), variant, computation), null))
        : List.of();
  }

  @Override
  public Buffer allocate(TensorType type) {
    return new HostBuffer(type, memory.allocate(type.bytes(), 64));
  }

  @Override
  public Buffer constant(TensorType type, MemorySegment data) {
    return new HostBuffer(type, data);
  }

  @Override
  public Executable compile(Plan plan, Map<String, Buffer> bound) {
    return new HostExecutable(plan, bound);
  }

  @Override
  public void close() {
    if (memory.scope().isAlive()) {
      memory.close();
    }
  }

  private record HostBuffer(TensorType type, MemorySegment data) implements Buffer {
    @Override
    public void upload(MemorySegment from, long offset) {
      MemorySegment.copy(from, 0, data, offset, from.byteSize());
    }

    @Override
    public void download(MemorySegment to, long offset) {
      MemorySegment.copy(data, offset, to, 0, to.byteSize());
    }

    @Override
    public void copy(long from, long to, long bytes) {
      MemorySegment.copy(data, from, data, to, bytes);
    }

    @Override
    public void close() {}
  }

  private static final class HostExecutable implements Executable {
    private final Plan plan;
    private final Map<String, Buffer> bound;
    private final Arena own = Arena.ofShared();
    private final Mailbox mailbox = new Mailbox(own);
    private final MemorySegment arena;
    private final Map<Axis, Integer> live = new EnumMap<>(Axis.class);

    HostExecutable(Plan plan, Map<String, Buffer> bound) {
      this.plan = plan;
      this.bound = Map.copyOf(bound);
      this.arena = own.allocate(Math.max(plan.arenaBytes(), 64), 64);
      for (Value v : plan.program().sources()) {
        if (v.kind() != Value.Kind.INPUT) {
          buffer(v);
        }
      }
    }

    private HostBuffer buffer(Value v) {
      if (bound.get(v.name()) instanceof HostBuffer b && b.type().equals(v.type())) {
        return b;
      }
      throw new BackendException(
          plan.program().name() + ": " + v + " is bound to " + bound.get(v.name()));
    }

    private MemorySegment memory(Value v) {
      Plan.Slice place = plan.place(v);
      Value source = place.source();
      return (source == null ? arena : buffer(source).data())
          .asSlice(place.offset(), place.bytes());
    }

    private Launch.Operand operand(Value v) {
      Plan.Slice place = plan.place(v);
      return new Launch.Operand(
          v.type(),
          Rows.live(v.type(), live),
          memory(v),
          place.source() == null ? place.offset() : -1);
    }

    @Override
    public Plan plan() {
      return plan;
    }

    @Override
    public void live(Axis axis, int rows) {
      live.put(axis, rows);
    }

    @Override
    public void write(String input, MemorySegment from) {
      for (Value v : plan.program().sources(Value.Kind.INPUT)) {
        if (v.name().equals(input)) {
          MemorySegment.copy(from, 0, memory(v), 0, from.byteSize());
          return;
        }
      }
      throw new InputException(plan.program().name() + " has no input " + input);
    }

    @Override
    public void run() {
      for (Plan.Step step : plan.steps()) {
        if (!(step.kernel() instanceof HostKernel kernel)) {
          throw new BackendException(step.kernel() + " is not a kernel of the host");
        }
        List<Launch.@Nullable Operand> in = new ArrayList<>();
        for (Value v : step.node().inputs()) {
          in.add(v == null ? null : operand(v));
        }
        kernel
            .computation()
            .run(new Launch(step.node().op(), in, operand(step.node().out()), arena));
      }
    }

    @Override
    public void read(String output, MemorySegment to) {
      MemorySegment.copy(output(output), 0, to, 0, to.byteSize());
    }

    @Override
    public void post(String output) {
      read(output, mailbox.post(output(output).byteSize()));
    }

    @Override
    public void collect(MemorySegment to) {
      mailbox.collect(to);
    }

    private MemorySegment output(String name) {
      Value v = plan.program().outputs().get(name);
      if (v == null) {
        throw new InputException(plan.program().name() + " has no output " + name);
      }
      return memory(v);
    }

    @Override
    public void peek(long offset, MemorySegment to) {
      MemorySegment.copy(arena, offset, to, 0, to.byteSize());
    }

    @Override
    public void poke(long offset, MemorySegment from) {
      MemorySegment.copy(from, 0, arena, offset, from.byteSize());
    }

    @Override
    public void close() {
      if (own.scope().isAlive()) {
        own.close();
      }
    }
  }
}
