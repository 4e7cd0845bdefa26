package dev.fovea.bench;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.Ceilings;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** A device of the backend that the benchmark is run on. */
@State(Scope.Benchmark)
public class OpenDevice {
  @Param("cpu")
  public String backend = "cpu";

  /** Threads of the cpu backend; 0 for the physical cores this process may use. */
  @Param("0")
  public int threads;

  private @Nullable Device device;
  private final List<AutoCloseable> open = new ArrayList<>();

  @Setup(Level.Trial)
  public void open() {
    device = Backend.named(backend).open(new DeviceOptions(threads, null));
  }

  Device device() {
    if (device == null) {
      throw new IllegalStateException("not set up");
    }
    return device;
  }

  Ceilings ceilings() {
    return device().ceilings();
  }

  /** Compiles a program on random weights and empty state; closed with the device. */
  Executable compile(Program program) {
    return compile(program, Map.of());
  }

  /** As {@link #compile(Program)}, but with these numbers in some states. */
  Executable compile(Program program, Map<String, MemorySegment> states) {
    Arena arena = Arena.ofShared();
    RandomWeights weights = new RandomWeights(arena);
    Map<String, Buffer> bound = new HashMap<>();
    for (Value v : program.sources()) {
      switch (v.kind()) {
        case WEIGHT ->
          bound.put(v.name(), device().constant(v.type(), weights.data(v.name(), v.type())));
        case STATE -> bound.put(v.name(), device().allocate(v.type()));
        default -> {}
      }
    }
    states.forEach((name, data) -> Objects.requireNonNull(bound.get(name), name).upload(data, 0));
    Executable compiled = device().compile(program, bound);
    open.add(compiled);
    open.addAll(bound.values());
    open.add(arena);
    return compiled;
  }

  @TearDown(Level.Trial)
  public void close() throws Exception {
    for (AutoCloseable c : open) {
      c.close();
    }
    open.clear();
    device().close();
  }
}
