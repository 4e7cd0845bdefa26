package dev.fovea.cpu;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Mailbox;
import dev.fovea.binding.Args;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A plan as a native list of steps: a run is one downcall, whatever the number of ops. */
final class CpuExecutable implements Executable {
  private static final int STEP_BYTES = 16;
  /** Axes whose number of rows may change from run to run. */
  private static final Axis[] LIVE = {Axis.T, Axis.R};

  private final CpuDevice device;
  private final Plan plan;
  private final Arena own = Arena.ofShared();
  private final Mailbox mailbox = new Mailbox(own);
  private final MemorySegment arena;
  private final MemorySegment steps;
  private final MemorySegment scratch;
  private final MemorySegment failed;
  private final MemorySegment live;
  private final int[] capacity = new int[LIVE.length];
  private final Map<String, MemorySegment> inputs = new HashMap<>();
  private final Map<String, MemorySegment> outputs = new HashMap<>();
  /** Keeps bound memory reachable while native code points at it. */
  private final Map<String, CpuBuffer> buffers = new HashMap<>();

  private final int count;
  private boolean closed;

  CpuExecutable(CpuDevice device, Plan plan, Map<String, Buffer> bound) {
    this.device = device;
    this.plan = plan;
    this.arena = Library.allocate(Math.max(plan.arenaBytes(), 64), own);
    this.live = own.allocate(4L * LIVE.length, 4);
    this.failed = own.allocate(JAVA_INT);
    bind(bound);
    for (Value v : plan.program().sources(Value.Kind.INPUT)) {
      inputs.put(v.name(), memory(v));
    }
    plan.program().outputs().forEach((name, v) -> outputs.put(name, memory(v)));
    List<Plan.Step> list = plan.steps();
    this.count = list.size();
    this.steps = own.allocate(Math.max(1, count) * (long) STEP_BYTES, 8);
    long scratchBytes = 64;
    for (int i = 0; i < count; i++) {
      if (!(list.get(i).kernel() instanceof CpuDevice.CpuKernel kernel)) {
        throw new BackendException(list.get(i).kernel() + " is not a cpu kernel");
      }
      MemorySegment args = arguments(list.get(i).node());
      String rejected = Library.rejects(kernel.entry().index(), args);
      if (rejected != null) {
        throw new BackendException(kernel.op() + " " + kernel.variant() + ": " + rejected);
      }
      steps.set(JAVA_LONG, (long) i * STEP_BYTES, kernel.entry().index());
      steps.set(JAVA_LONG, (long) i * STEP_BYTES + 8, args.address());
      scratchBytes = Math.max(
          scratchBytes, Library.scratchBytes(kernel.entry().index(), args, device.threads()));
    }
    this.scratch = Library.allocate(scratchBytes, own);
  }

  private void bind(Map<String, Buffer> bound) {
    for (Value v : plan.program().sources()) {
      if (v.kind() == Value.Kind.INPUT) {
        continue;
      }
      if (bound.get(v.name()) instanceof CpuBuffer b && b.type().equals(v.type())) {
        buffers.put(v.name(), b);
      } else {
        Buffer b = bound.get(v.name());
        throw new BackendException(plan.program().name() + ": " + v + " is bound to "
            + (b == null ? "nothing" : b.type() + " of another device or type"));
      }
    }
  }

  private MemorySegment memory(Value v) {
    Plan.Slice place = plan.place(v);
    Value source = place.source();
    if (source == null) {
      return arena.asSlice(place.offset(), place.bytes());
    }
    CpuBuffer buffer = buffers.get(source.name());
    if (buffer == null) {
      throw new IllegalStateException("unbound " + source);
    }
    return buffer.data().asSlice(place.offset(), place.bytes());
  }

  private MemorySegment arguments(Node node) {
    MemorySegment args = own.allocate(Args.bytes(node.op()), 8);
    for (int i = 0; i < node.inputs().size(); i++) {
      Value v = node.inputs().get(i);
      if (v != null) {
        tensor(args, i, v);
      }
    }
    tensor(args, node.inputs().size(), node.out());
    Args.attributes(args, node.op());
    return args;
  }

  private void tensor(MemorySegment args, int index, Value v) {
    Args.tensor(args, index, v.type(), memory(v).address(), liveCell(v.type()));
  }

  /** Address of the row count that a tensor follows; 0 if all its rows always count. */
  private long liveCell(TensorType type) {
    int axis = Arrays.asList(LIVE).indexOf(type.shape().axis(0));
    if (axis < 0) {
      return 0;
    }
    int size = type.shape().size(0);
    if (capacity[axis] == 0) {
      capacity[axis] = size;
      live.set(JAVA_INT, 4L * axis, size);
    } else if (capacity[axis] != size) {
      throw new BackendException(plan.program().name() + ": axis " + LIVE[axis] + " has size "
          + capacity[axis] + " and " + size);
    }
    return live.address() + 4L * axis;
  }

  @Override
  public Plan plan() {
    return plan;
  }

  @Override
  public void live(Axis axis, int rows) {
    int i = axis == LIVE[0] ? 0 : 1;
    if (axis != LIVE[i] || rows < 1 || rows > capacity[i]) {
      throw new InputException(plan.program().name() + ": live rows of " + axis + " must be 1 to "
          + capacity[i] + ", found " + rows);
    }
    live.set(JAVA_INT, 4L * i, rows);
  }

  @Override
  public void write(String input, MemorySegment from) {
    MemorySegment to = known(inputs.get(input), input);
    MemorySegment.copy(from, 0, to, 0, from.byteSize());
  }

  @Override
  public void read(String output, MemorySegment to) {
    MemorySegment from = known(outputs.get(output), output);
    MemorySegment.copy(from, 0, to, 0, to.byteSize());
  }

  @Override
  public void post(String output) {
    read(output, mailbox.post(known(outputs.get(output), output).byteSize()));
  }

  @Override
  public void collect(MemorySegment to) {
    mailbox.collect(to);
  }

  private MemorySegment known(@Nullable MemorySegment memory, String name) {
    if (memory == null) {
      throw new InputException(plan.program().name() + " has no " + name + ": inputs "
          + inputs.keySet() + ", outputs " + outputs.keySet());
    }
    return memory;
  }

  @Override
  public void run() {
    if (closed) {
      throw new BackendException(plan.program().name() + " is closed");
    }
    int status = Library.run(
        device.context(),
        steps.address(),
        count,
        scratch.address(),
        scratch.byteSize(),
        failed.address());
    if (status != 0) {
      Plan.Step step = plan.steps().get(Math.clamp(failed.get(JAVA_INT, 0), 0, count - 1));
      throw new BackendException(step.node().op().name() + " " + step.kernel().variant() + " "
          + step.node().inputTypes() + ": " + NativeLibrary.status(status));
    }
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
    if (!closed) {
      closed = true;
      own.close();
    }
  }
}
