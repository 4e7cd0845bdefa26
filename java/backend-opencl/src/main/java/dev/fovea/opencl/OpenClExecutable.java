package dev.fovea.opencl;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Executable;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A plan as kernels with their arguments set: a run enqueues them all and waits for none. How many rows count is an argument, set again
 * when it changes.
 */
final class OpenClExecutable implements Executable {
  /** Axes whose number of rows may change from run to run. */
  private static final Axis[] LIVE = {Axis.T, Axis.R};

  private static final long ALIGNMENT = 256;
  private static final int RANGE = 2; // the native ABI's status codes
  private static final int NUMBER = 5;

  /** A kernel that is ready to run. */
  private static final class Ready {
    final Launch launch;
    final long kernel;
    final MemorySegment items;
    final MemorySegment groups;
    /** Arguments that are row counts: where they stand, and of which axis. */
    final Map<Integer, Integer> counts = new HashMap<>();
    /** The axis whose rows say how many work-items run; −1 if that is fixed. */
    int lead = -1;

    Ready(Launch launch, long kernel, Arena arena) {
      this.launch = launch;
      this.kernel = kernel;
      this.items = arena.allocate(JAVA_LONG, 3);
      this.groups = arena.allocate(JAVA_LONG, 3);
      groups.set(JAVA_LONG, 0, launch.group());
      groups.set(JAVA_LONG, 8, 1);
      groups.set(JAVA_LONG, 16, 1);
    }

    void size(int rows) {
      long[] n = launch.items(rows);
      for (int i = 0; i < 3; i++) {
        items.set(JAVA_LONG, 8L * i, n[i]);
      }
    }
  }

  /** Host memory that the device may still be copying to or from, and the event of that copy; 0 if there is none. */
  private static final class Stage {
    final MemorySegment memory;
    final MemorySegment event;

    Stage(Arena arena, long bytes) {
      memory = arena.allocate(bytes, 64);
      event = arena.allocate(JAVA_LONG);
    }

    void await() {
      long copying = event.get(JAVA_LONG, 0);
      if (copying != 0) {
        event.set(JAVA_LONG, 0, 0);
        try {
          Cl.await(copying);
        } finally {
          Cl.releaseEvent(copying);
        }
      }
    }
  }

  private record Place(long buffer, long offset, long bytes) {}

  /** Bytes before a letter's output: the error cell. */
  private static final int LETTER_HEAD = 64;

  private final OpenClDevice device;
  private final Plan plan;
  private final Arena own = Arena.ofShared();
  private final long arenaBytes;
  private final Map<String, OpenClBuffer> buffers = new HashMap<>();
  private final List<Long> memories = new ArrayList<>();
  private final List<Long> sizes = new ArrayList<>();
  private final List<Ready> launches = new ArrayList<>();
  private final int[] capacity = new int[LIVE.length];
  private final int[] rows = new int[LIVE.length];
  private final Map<String, Place> inputs = new HashMap<>();
  private final Map<String, Stage> stages = new HashMap<>();
  private final Map<String, Place> outputs = new HashMap<>();
  private final @Nullable Stage[] letters = new Stage[2];
  private final long[] letterBytes = new long[2];
  private final MemorySegment argument = own.allocate(8, 8);
  private final MemorySegment errorCell = own.allocate(JAVA_INT);
  private final long arena;
  private final long error;
  private long scratch;
  private long posted;
  private long collected;
  private boolean closed;

  OpenClExecutable(OpenClDevice device, Plan plan, Map<String, Buffer> bound) {
    this.device = device;
    this.plan = plan;
    this.arenaBytes = Math.max(plan.arenaBytes(), ALIGNMENT);
    try {
      bind(bound);
      this.arena = memory(arenaBytes);
      Cl.zero(device.queue(), arena, arenaBytes); // an input that was never written is zero
      this.error = memory(ALIGNMENT);
      Cl.zero(device.queue(), error, ALIGNMENT);
      for (Value v : plan.program().sources(Value.Kind.INPUT)) {
        Place place = place(v);
        inputs.put(v.name(), place);
        stages.put(v.name(), new Stage(own, place.bytes()));
      }
      plan.program().outputs().forEach((name, v) -> outputs.put(name, place(v)));
      prepare();
    } catch (RuntimeException | Error e) {
      free();
      throw e;
    }
  }

  private void bind(Map<String, Buffer> bound) {
    for (Value v : plan.program().sources()) {
      if (v.kind() == Value.Kind.INPUT) {
        continue;
      }
      Buffer b = bound.get(v.name());
      if (b instanceof OpenClBuffer ours && ours.type().equals(v.type())) {
        buffers.put(v.name(), ours);
      } else {
        throw new BackendException(plan.program().name() + ": " + v + " is bound to "
            + (b == null ? "nothing" : b.type() + " of another device or type"));
      }
    }
  }

  private long memory(long bytes) {
    long handle = device.memory(bytes);
    memories.add(handle);
    sizes.add(bytes);
    return handle;
  }

  private Place place(Value v) {
    Plan.Slice slice = plan.place(v);
    Value source = slice.source();
    if (source == null) {
      return new Place(arena, slice.offset(), slice.bytes());
    }
    return new Place(
        Objects.requireNonNull(buffers.get(source.name())).handle(), slice.offset(), slice.bytes());
  }

  /** Every step's kernels with their arguments. */
  private void prepare() {
    List<Recipe.Work> works = new ArrayList<>();
    long most = ALIGNMENT;
    for (Plan.Step step : plan.steps()) {
      if (!(step.kernel() instanceof OpenClDevice.OpenClKernel kernel)) {
        throw new BackendException(step.kernel() + " is not an opencl kernel");
      }
      Node node = step.node();
      Recipe.Work work = kernel
          .recipe()
          .steps()
          .of(new Recipe.Asked(node.op(), node.inputTypes(), node.out().type(), device.tuning()));
      works.add(work);
      most = Math.max(most, work.scratch());
    }
    scratch = memory(most);
    device
        .programs()
        .all(works.stream()
            .flatMap(w -> w.launches().stream())
            .map(l -> l.program)
            .collect(Collectors.toCollection(LinkedHashSet::new)));
    for (int i = 0; i < works.size(); i++) {
      for (Launch launch : works.get(i).launches()) {
        prepare(launch, plan.steps().get(i).node(), i);
      }
    }
  }

  private void prepare(Launch launch, Node node, int step) {
    long kernel = Cl.kernel(device.programs().of(launch.program), launch.kernel);
    Ready ready = new Ready(launch, kernel, own);
    launches.add(ready);
    int at = 0;
    for (Launch.Argument a : launch.arguments) {
      switch (a) {
        case Launch.Argument.Tensor t -> {
          Place place = place(t.index() == Launch.OUT ? node.out() : node.in(t.index()));
          at = tensor(kernel, at, place.buffer(), place.offset());
        }
        case Launch.Argument.Absent _ -> at = tensor(kernel, at, 0, 0);
        case Launch.Argument.Scratch s -> at = tensor(kernel, at, scratch, s.offset());
        case Launch.Argument.Table t -> pointer(kernel, at++, table(t.numbers()));
        case Launch.Argument.Rows r -> {
          int axis = axis(r.of());
          if (axis >= 0) {
            ready.counts.put(at, axis);
          }
          whole(kernel, at++, axis >= 0 ? rows[axis] : r.of().shape().size(0));
        }
        case Launch.Argument.Whole w -> whole(kernel, at++, w.value());
        case Launch.Argument.Real r -> {
          argument.set(JAVA_FLOAT, 0, r.value());
          Cl.argument(kernel, at++, 4, argument.address());
        }
        case Launch.Argument.Complaint _ -> {
          pointer(kernel, at++, error);
          whole(kernel, at++, step + 1);
        }
      }
    }
    TensorType lead = launch.lead();
    ready.lead = lead == null ? -1 : axis(lead);
    ready.size(
        ready.lead >= 0 ? rows[ready.lead] : lead == null ? 1 : lead.shape().size(0));
  }

  private int tensor(long kernel, int at, long buffer, long offset) {
    pointer(kernel, at, buffer);
    argument.set(JAVA_LONG, 0, offset);
    Cl.argument(kernel, at + 1, 8, argument.address());
    return at + 2;
  }

  private void pointer(long kernel, int at, long buffer) {
    argument.set(JAVA_LONG, 0, buffer);
    Cl.argument(kernel, at, 8, buffer == 0 ? 0 : argument.address());
  }

  private void whole(long kernel, int at, int value) {
    argument.set(JAVA_INT, 0, value);
    Cl.argument(kernel, at, 4, argument.address());
  }

  private long table(List<Float> numbers) {
    try (Arena scope = Arena.ofConfined()) {
      MemorySegment values = scope.allocate(JAVA_FLOAT, numbers.size());
      for (int i = 0; i < numbers.size(); i++) {
        values.setAtIndex(JAVA_FLOAT, i, numbers.get(i));
      }
      long buffer = memory(values.byteSize());
      device.send(buffer, 0, values);
      return buffer;
    }
  }

  /** Which of the axes leads a tensor; −1 if all its rows always count. */
  private int axis(TensorType type) {
    int axis = Arrays.asList(LIVE).indexOf(type.shape().axis(0));
    if (axis < 0) {
      return -1;
    }
    int size = type.shape().size(0);
    if (capacity[axis] == 0) {
      capacity[axis] = size;
      rows[axis] = size;
    } else if (capacity[axis] != size) {
      throw new BackendException(plan.program().name() + ": axis " + LIVE[axis] + " has size "
          + capacity[axis] + " and " + size);
    }
    return axis;
  }

  private void open() {
    if (closed) {
      throw new BackendException(plan.program().name() + " is closed");
    }
    device.queue(); // throws where the device is closed
  }

  @Override
  public Plan plan() {
    return plan;
  }

  @Override
  public void live(Axis axis, int count) {
    open();
    int i = axis == LIVE[0] ? 0 : 1;
    if (axis == LIVE[i] && capacity[i] == 0) {
      capacity[i] = largest(axis); // no kernel counts them
    }
    if (axis != LIVE[i] || count < 1 || count > capacity[i]) {
      throw new InputException(plan.program().name() + ": live rows of " + axis + " must be 1 to "
          + capacity[i] + ", found " + count);
    }
    if (rows[i] == count) {
      return;
    }
    rows[i] = count;
    for (Ready r : launches) {
      if (r.lead == i) {
        r.size(count);
      }
      r.counts.forEach((at, of) -> {
        if (of == i) {
          whole(r.kernel, at, count);
        }
      });
    }
  }

  private int largest(Axis axis) {
    return plan.places().keySet().stream()
        .map(v -> v.type().shape())
        .filter(s -> s.axis(0) == axis)
        .mapToInt(s -> s.size(0))
        .max()
        .orElse(0);
  }

  @Override
  public void write(String input, MemorySegment from) {
    open();
    Place to = known(inputs.get(input), input);
    if (from.byteSize() > to.bytes()) {
      throw new InputException(plan.program().name() + ": " + input + " has " + to.bytes()
          + " bytes, " + from.byteSize() + " are given");
    }
    Stage stage = Objects.requireNonNull(stages.get(input));
    stage.await();
    if (from.byteSize() == 0) {
      return; // OpenCL refuses to copy nothing
    }
    MemorySegment.copy(from, 0, stage.memory, 0, from.byteSize());
    Cl.write(
        device.queue(),
        to.buffer(),
        false,
        to.offset(),
        stage.memory.asSlice(0, from.byteSize()),
        stage.event.address());
  }

  @Override
  public void run() {
    open();
    long queue = device.queue();
    Clock clock = device.clock();
    for (int i = 0; i < launches.size(); i++) {
      Ready r = launches.get(i);
      if (clock == null) {
        Cl.enqueue(queue, r.kernel, r.items.address(), r.groups.address(), 0);
      } else {
        clock.enqueue(r.kernel, r.items.address(), r.groups.address());
      }
    }
    Cl.flush(queue);
    device.ran(this);
  }

  @Override
  public void read(String output, MemorySegment to) {
    open();
    Place from = known(outputs.get(output), output);
    if (to.byteSize() > from.bytes()) {
      throw new InputException(plan.program().name() + ": " + output + " has " + from.bytes()
          + " bytes, " + to.byteSize() + " are asked for");
    }
    device.fetch(from.buffer(), from.offset(), to);
    judge();
  }

  @Override
  public boolean asynchronous() {
    return true;
  }

  @Override
  public void post(String output) {
    open();
    if (posted - collected == letters.length) {
      throw new IllegalStateException(letters.length + " outputs are posted and not collected");
    }
    Place from = known(outputs.get(output), output);
    int slot = (int) (posted % letters.length);
    Stage letter = letters[slot];
    if (letter == null || letterBytes[slot] < from.bytes()) {
      letter = new Stage(own, LETTER_HEAD + from.bytes());
      letters[slot] = letter;
      letterBytes[slot] = from.bytes();
    }
    posted++;
    long queue = device.queue();
    Cl.read(queue, error, false, 0, letter.memory.asSlice(0, 4), 0);
    Cl.read(
        queue,
        from.buffer(),
        false,
        from.offset(),
        letter.memory.asSlice(LETTER_HEAD, from.bytes()),
        letter.event.address());
    Cl.flush(queue);
  }

  @Override
  public void collect(MemorySegment to) {
    open();
    if (posted == collected) {
      throw new IllegalStateException("nothing is posted");
    }
    Stage letter = Objects.requireNonNull(letters[(int) (collected++ % letters.length)]);
    letter.await();
    judge(letter.memory.get(JAVA_INT, 0));
    MemorySegment.copy(letter.memory, LETTER_HEAD, to, 0, to.byteSize());
  }

  /** Waits for what was enqueued and throws what went wrong in it. */
  void judge() {
    device.fetch(error, 0, errorCell);
    judge(errorCell.get(JAVA_INT, 0));
  }

  /** Throws what the error cell says, and clears it. */
  private void judge(int code) {
    if (code == 0) {
      return;
    }
    Cl.zero(device.queue(), error, ALIGNMENT);
    Plan.Step step =
        plan.steps().get(Math.clamp(Math.abs(code) - 1L, 0, plan.steps().size() - 1));
    throw new BackendException(step.node().op().name() + " " + step.kernel().variant() + " "
        + step.node().inputTypes() + ": " + NativeLibrary.status(code > 0 ? RANGE : NUMBER));
  }

  private <T> T known(@Nullable T found, String name) {
    if (found == null) {
      throw new InputException(plan.program().name() + " has no " + name + ": inputs "
          + inputs.keySet() + ", outputs " + outputs.keySet());
    }
    return found;
  }

  private void inArena(long offset, long bytes) {
    open();
    if (offset < 0 || bytes < 0 || offset > arenaBytes - bytes) {
      throw new InputException(
          "bytes " + offset + " to " + (offset + bytes) + " of an arena that has " + arenaBytes);
    }
  }

  @Override
  public void peek(long offset, MemorySegment to) {
    inArena(offset, to.byteSize());
    device.fetch(arena, offset, to);
    judge();
  }

  @Override
  public void poke(long offset, MemorySegment from) {
    inArena(offset, from.byteSize());
    device.send(arena, offset, from);
  }

  private void free() {
    Cl.finish(device.queue()); // nothing may still use what is given back
    for (Ready r : launches) {
      Cl.releaseKernel(r.kernel);
    }
    stages.values().forEach(Stage::await);
    for (Stage letter : letters) {
      if (letter != null) {
        letter.await();
      }
    }
    for (int i = 0; i < memories.size(); i++) {
      device.free(memories.get(i), sizes.get(i));
    }
    own.close();
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      free();
      device.forget(this);
    }
  }
}
