package dev.fovea.testkit;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.op.Case;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A case with its numbers in place on a device and the kernel that the device selects, to run again and again: for benchmarks. */
public final class KernelRun implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final CaseData data;
  private final Arrangement arrangement;
  private final Kernel kernel;
  private final Map<String, Buffer> constants;
  private final Executable program;
  private final @Nullable Buffer state;
  private final Harness.Image before;
  private final Harness.Image after;
  private final boolean reference;
  private final MemorySegment first = arena.allocate(1);

  private KernelRun(Device device, CaseData data, Kernel kernel) {
    this.data = data;
    this.kernel = kernel;
    this.reference = device.name().equals("reference");
    this.arrangement = new Arrangement(data, false, -1);
    this.constants = arrangement.constants(device, arena);
    this.program = device.compile(arrangement.plan(kernel), constants);
    this.state = arrangement.state(constants);
    this.before = new Harness.Image(data, arrangement, arena);
    this.after = new Harness.Image(data, arrangement, arena);
    arrangement.fill(before.arena);
    if (state != null) {
      before.out.copyFrom(arrangement.stateBefore());
    }
    Harness.live(program, data);
    place();
  }

  /** Puts a case on a device; null if the device has no kernel for it. The caller closes it before the device. */
  public static @Nullable KernelRun of(Device device, Case c) {
    CaseData data = new CaseData(c, Arena.ofAuto());
    Kernel kernel = device.select(c.op(), c.in(), data.outType);
    return kernel == null ? null : new KernelRun(device, data, kernel);
  }

  /** The kernel's variant. */
  public String variant() {
    return kernel.variant();
  }

  /** Bytes that one run moves, as the op declares. */
  public long bytes() {
    return data.source.op().bytes(liveTypes(), Rows.live(data.outType, data.live));
  }

  /** Operations of one run, as the op declares. */
  public double flops() {
    return data.source.op().flops(liveTypes(), Rows.live(data.outType, data.live));
  }

  private List<@Nullable TensorType> liveTypes() {
    List<@Nullable TensorType> types = new ArrayList<>();
    for (TensorType t : data.source.in()) {
      types.add(t == null ? null : Rows.live(t, data.live));
    }
    return types;
  }

  /** The case's own numbers; the reference has no arena that they could be poked into. */
  private void place() {
    if (state != null) {
      state.upload(before.out, 0);
    }
    if (!reference) {
      program.poke(0, before.arena);
      return;
    }
    for (int i = 0; i < data.inputs.size(); i++) {
      Tensor t = data.inputs.get(i);
      String name = data.source.op().inputs().get(i);
      if (t != null && !constants.containsKey(name)) {
        program.write(name, t.data());
      }
    }
  }

  /** Returns when all that was run is done. */
  public void settle() {
    if (!reference) {
      program.peek(0, first);
    }
  }

  /** Runs on whatever the last run left. */
  public void run() {
    program.run();
  }

  /** Runs on the case's own numbers; what is wrong with the result, null if it is within the definition's bound. */
  public @Nullable String problem() {
    if (!reference) {
      Harness.run(program, state, before, after);
      return Harness.problem(data, arrangement, before, after);
    }
    place();
    program.run();
    MemorySegment y = after.out;
    program.read("y", y);
    for (int i = 0; i < data.expected.values().length; i++) {
      double found = Blocks.get(data.outType.dtype(), y, i);
      if (data.expected.writes(i) && found != data.expected.values()[i]) {
        return "y[" + i + "] is " + found + ", the definition says "
            + data.expected.values()[i];
      }
    }
    return null;
  }

  @Override
  public void close() {
    program.close();
    constants.values().forEach(Buffer::close);
    arena.close();
  }
}
