package dev.fovea.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Executable;
import dev.fovea.binding.Args;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A plan as a graph: its launches are recorded once, by the first run, and a run is one call. What changes from run to run (inputs, state,
 * how many rows count) is device memory that the launches point at. Inputs are copied when they are written, from pinned memory and
 * behind what is enqueued; nothing waits for the device but reading.
 */
final class CudaExecutable implements Executable {
  private static final int STEP_BYTES = 16;
  private static final long ALIGNMENT = 256;
  /** Axes whose number of rows may change from run to run. */
  private static final Axis[] LIVE = {Axis.T, Axis.R};

  /** An input, and the pinned memory it is copied from. */
  private static final class Inlet {
    final Driver.Place place;
    final Driver.Place pinned;
    final MemorySegment memory;
    boolean copying; // since the mark was last awaited

    Inlet(Driver.Place place, Driver.Place pinned, long bytes) {
      this.place = place;
      this.pinned = pinned;
      this.memory = Driver.view(pinned, bytes);
    }
  }

  private record Outlet(Driver.Place place, long bytes) {}

  /** What was posted: an output and the error cell as they were then. */
  private static final class Letter {
    final Driver.Place pinned;
    final Driver.Place error;
    final Driver.Place body;
    final MemorySegment memory;
    final Driver.Mark there;

    Letter(Driver d, long bytes) {
      pinned = d.pin(ALIGNMENT + bytes);
      error = d.at(pinned, 0);
      body = d.at(pinned, ALIGNMENT);
      memory = Driver.view(pinned, ALIGNMENT + bytes);
      there = d.mark();
    }

    void free(Driver d) {
      d.await(there);
      d.unpin(pinned);
      d.free(there);
    }
  }

  private final CudaDevice device;
  private final Plan plan;
  private final Arena own = Arena.ofShared();
  private final Driver.Place arena;
  private final long arenaBytes;
  private final Driver.Place scratch;
  private final long scratchBytes;
  private final Driver.@Nullable Place table; // of the persistent kernel's phases
  private final Driver.Place pinned;
  private final Driver.Mark copied;
  private final MemorySegment steps;
  private final int[] capacity = new int[LIVE.length];
  private final Map<String, Inlet> inlets = new LinkedHashMap<>();
  private final Inlet live;
  private final Inlet[] all;
  private final Map<String, Outlet> outlets = new HashMap<>();
  private final Map<String, CudaBuffer> buffers = new HashMap<>();
  private final @Nullable Letter[] letters = new @Nullable Letter[2];
  private long posted;
  private long collected;
  private final boolean foreign; // whether cuBLAS has a part in it
  private boolean ran;
  private Driver.@Nullable Graph graph;
  private boolean closed;

  CudaExecutable(CudaDevice device, Plan plan, Map<String, Buffer> bound) {
    this.device = device;
    this.plan = plan;
    check(bound);
    this.foreign = plan.steps().stream()
        .anyMatch(s -> s.kernel() instanceof CudaDevice.CudaKernel k && k.isCublas());
    Driver d = device.driver();
    List<Value> inputs = plan.program().sources(Value.Kind.INPUT);
    long pinnedBytes = ALIGNMENT;
    for (Value v : inputs) {
      pinnedBytes += aligned(v.type().bytes());
    }
    this.arenaBytes = Math.max(plan.arenaBytes(), ALIGNMENT);
    // The row counts lie behind the arena.
    this.arena = d.allocate(aligned(arenaBytes) + ALIGNMENT);
    this.pinned = d.pin(pinnedBytes);
    this.copied = d.mark();
    d.zero(arena, aligned(arenaBytes) + ALIGNMENT);
    this.live = new Inlet(d.at(arena, aligned(arenaBytes)), d.at(pinned, 0), 4L * LIVE.length);
    long at = ALIGNMENT;
    for (Value v : inputs) {
      inlets.put(v.name(), new Inlet(place(v), d.at(pinned, at), v.type().bytes()));
      at += aligned(v.type().bytes());
    }
    this.all = inlets.values().toArray(Inlet[]::new);
    plan.program()
        .outputs()
        .forEach((name, v) -> outlets.put(name, new Outlet(place(v), v.type().bytes())));
    this.steps = own.allocate(Math.max(1, plan.steps().size()) * (long) STEP_BYTES, 8);
    this.scratchBytes = describeSteps();
    this.scratch = d.allocate(scratchBytes);
    d.zero(scratch, scratchBytes);
    this.table = device.switches().persistent() ? table(d) : null;
    sendLive();
  }

  /** What a persistent kernel is to go through, on the device; null if there are no two steps in a row that it can do. */
  private Driver.@Nullable Place table(Driver d) {
    try (Arena staging = Arena.ofConfined()) {
      MemorySegment made = device
          .library()
          .table(
              staging,
              device.context(),
              steps,
              plan.steps().size(),
              scratch.address(),
              scratchBytes,
              plan.program().name());
      if (made.byteSize() == 0) {
        return null;
      }
      Driver.Place place = d.allocate(made.byteSize());
      device.send(place, made);
      return place;
    }
  }

  private static long aligned(long n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private void check(Map<String, Buffer> bound) {
    for (Plan.Step step : plan.steps()) {
      if (!(step.kernel() instanceof CudaDevice.CudaKernel)) {
        throw new BackendException(step.kernel() + " is not a cuda kernel");
      }
    }
    for (Value v : plan.program().sources()) {
      if (v.kind() == Value.Kind.INPUT) {
        continue;
      }
      if (bound.get(v.name()) instanceof CudaBuffer b && b.type().equals(v.type())) {
        buffers.put(v.name(), b);
      } else {
        Buffer b = bound.get(v.name());
        throw new BackendException(plan.program().name() + ": " + v + " is bound to "
            + (b == null ? "nothing" : b.type() + " of another device or type"));
      }
    }
  }

  private Driver.Place place(Value v) {
    Plan.Slice slice = plan.place(v);
    Value source = slice.source();
    if (source == null) {
      return device.driver().at(arena, slice.offset());
    }
    CudaBuffer buffer = buffers.get(source.name());
    if (buffer == null) {
      throw new IllegalStateException("unbound " + source);
    }
    return device.driver().at(buffer.place(), slice.offset());
  }

  /** Writes every step and its arguments; returns how much scratch memory the largest needs. */
  private long describeSteps() {
    long most = ALIGNMENT;
    for (int i = 0; i < plan.steps().size(); i++) {
      Plan.Step step = plan.steps().get(i);
      int index = ((CudaDevice.CudaKernel) step.kernel()).entry().index();
      MemorySegment args = arguments(step.node());
      String rejected = device.library().rejects(device.context(), index, args);
      if (rejected != null) {
        throw new BackendException(
            step.kernel().op() + " " + step.kernel().variant() + ": " + rejected);
      }
      steps.set(JAVA_LONG, (long) i * STEP_BYTES, index);
      steps.set(JAVA_LONG, (long) i * STEP_BYTES + 8, args.address());
      most = Math.max(most, device.library().scratchBytes(device.context(), index, args));
    }
    return most;
  }

  private MemorySegment arguments(Node node) {
    MemorySegment args = own.allocate(Args.bytes(node.op()), 8);
    for (int i = 0; i < node.inputs().size(); i++) {
      Value v = node.inputs().get(i);
      if (v != null) {
        Args.tensor(args, i, v.type(), place(v).address(), liveCell(v.type()));
      }
    }
    Value out = node.out();
    Args.tensor(args, node.inputs().size(), out.type(), place(out).address(), liveCell(out.type()));
    Args.attributes(args, node.op());
    return args;
  }

  /** Device address of the row count that a tensor follows; 0 if all its rows always count. */
  private long liveCell(TensorType type) {
    int axis = Arrays.asList(LIVE).indexOf(type.shape().axis(0));
    if (axis < 0) {
      return 0;
    }
    int size = type.shape().size(0);
    if (capacity[axis] == 0) {
      capacity[axis] = size;
      live.memory.set(JAVA_INT, 4L * axis, size);
    } else if (capacity[axis] != size) {
      throw new BackendException(plan.program().name() + ": axis " + LIVE[axis] + " has size "
          + capacity[axis] + " and " + size);
    }
    return live.place.address() + 4L * axis;
  }

  @Override
  public Plan plan() {
    return plan;
  }

  /** A step in words. */
  String step(int index) {
    Plan.Step step = plan.steps().get(Math.clamp(index, 0, plan.steps().size() - 1));
    return step.node().op().name() + " " + step.kernel().variant() + " "
        + step.node().inputTypes();
  }

  private Driver open() {
    if (closed) {
      throw new BackendException(plan.program().name() + " is closed");
    }
    return device.driver();
  }

  /** Waits until the device has copied what was written before, if it may not have. */
  private void free(Driver d, Inlet inlet) {
    if (inlet.copying) {
      d.await(copied);
      live.copying = false;
      for (Inlet i : all) {
        i.copying = false;
      }
    }
  }

  private void send(Driver d, Inlet inlet, long bytes) {
    d.toDevice(inlet.place, inlet.pinned, bytes);
    d.record(copied);
    inlet.copying = true;
  }

  private void sendLive() {
    send(device.driver(), live, 4L * LIVE.length);
  }

  @Override
  public void live(Axis axis, int rows) {
    int i = axis == LIVE[0] ? 0 : 1;
    if (axis != LIVE[i] || rows < 1 || rows > capacity[i]) {
      throw new InputException(plan.program().name() + ": live rows of " + axis + " must be 1 to "
          + capacity[i] + ", found " + rows);
    }
    Driver d = open();
    if (live.memory.get(JAVA_INT, 4L * i) != rows) {
      free(d, live);
      live.memory.set(JAVA_INT, 4L * i, rows);
      sendLive();
    }
  }

  @Override
  public void write(String input, MemorySegment from) {
    Driver d = open();
    Inlet inlet = known(inlets.get(input), input);
    free(d, inlet);
    MemorySegment.copy(from, 0, inlet.memory, 0, from.byteSize());
    send(d, inlet, from.byteSize());
  }

  @Override
  public void run() {
    Driver d = open();
    // What cuBLAS does at the first use of a kernel cannot be captured.
    boolean first = foreign && !ran;
    if (device.switches().graphs() && !first) {
      if (graph == null) {
        graph = capture(d);
      }
      d.launch(graph);
    } else {
      enqueue(d);
    }
    ran = true;
    device.ran(this);
  }

  private Driver.Graph capture(Driver d) {
    d.beginCapture();
    try {
      enqueue(d);
    } catch (BackendException e) {
      try {
        d.free(d.endCapture()); // the stream must not stay in capture
      } catch (BackendException second) {
        e.addSuppressed(second);
      }
      throw e;
    }
    return d.endCapture();
  }

  private void enqueue(Driver d) {
    device
        .library()
        .enqueue(
            device.context(),
            steps,
            plan.steps().size(),
            scratch.address(),
            scratchBytes,
            table == null ? 0 : table.address(),
            d.stream(),
            plan.program().name());
  }

  /** Waits for the run. */
  @Override
  public void read(String output, MemorySegment to) {
    open();
    Outlet outlet = known(outlets.get(output), output);
    if (to.byteSize() > outlet.bytes()) {
      throw new InputException(plan.program().name() + ": " + output + " has " + outlet.bytes()
          + " bytes, " + to.byteSize() + " are asked for");
    }
    device.fetch(outlet.place(), to);
  }

  @Override
  public boolean asynchronous() {
    return device.asynchronous();
  }

  @Override
  public void post(String output) {
    Driver d = open();
    if (posted - collected == letters.length) {
      throw new IllegalStateException(letters.length + " outputs are posted and not collected");
    }
    Outlet outlet = known(outlets.get(output), output);
    int slot = (int) (posted % letters.length);
    Letter letter = letters[slot];
    if (letter == null || letter.memory.byteSize() < ALIGNMENT + outlet.bytes()) {
      if (letter != null) {
        letter.free(d);
      }
      letter = new Letter(d, outlet.bytes());
      letters[slot] = letter;
    }
    posted++;
    d.toHost(letter.body, outlet.place(), outlet.bytes());
    d.toHost(letter.error, device.error(), 4);
    d.record(letter.there);
  }

  @Override
  public void collect(MemorySegment to) {
    Driver d = open();
    if (posted == collected) {
      throw new IllegalStateException("nothing is posted");
    }
    Letter letter = Objects.requireNonNull(letters[(int) (collected++ % letters.length)]);
    d.await(letter.there);
    device.judge(letter.memory.get(JAVA_INT, 0), this);
    MemorySegment.copy(letter.memory, ALIGNMENT, to, 0, to.byteSize());
  }

  private <T> T known(@Nullable T found, String name) {
    if (found == null) {
      throw new InputException(plan.program().name() + " has no " + name + ": inputs "
          + inlets.keySet() + ", outputs " + outlets.keySet());
    }
    return found;
  }

  private Driver.Place inArena(long offset, long bytes) {
    if (offset < 0 || bytes < 0 || offset > arenaBytes - bytes) {
      throw new InputException(
          "bytes " + offset + " to " + (offset + bytes) + " of an arena that has " + arenaBytes);
    }
    return open().at(arena, offset);
  }

  @Override
  public void peek(long offset, MemorySegment to) {
    device.fetch(inArena(offset, to.byteSize()), to);
  }

  @Override
  public void poke(long offset, MemorySegment from) {
    device.send(inArena(offset, from.byteSize()), from);
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    Driver d = device.driver();
    d.await(copied); // pinned memory is given back below
    closed = true;
    if (graph != null) {
      d.free(graph);
    }
    for (Letter letter : letters) {
      if (letter != null) {
        letter.free(d);
      }
    }
    d.free(copied);
    d.unpin(pinned);
    if (table != null) {
      d.free(table);
    }
    d.free(scratch);
    d.free(arena);
    own.close();
    device.forget(this);
  }
}
