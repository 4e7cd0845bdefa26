package dev.fovea.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.fovea.backend.Buffer;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Advance;
import dev.fovea.op.Embed;
import dev.fovea.op.RmsNorm;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.Tensor;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class EmulatedDeviceTest {
  private static final int ROWS = 6;
  private static final int WIDTH = 40;

  private static CudaDevice open(boolean eager) {
    return EmulatedBackend.emulate(DeviceOptions.DEFAULT, switches(!eager, true));
  }

  private static Switches switches(boolean graphs, boolean overlap) {
    return new Switches(graphs, overlap, Switches.Cublas.AUTO);
  }

  /** y = norm(x + x) + x, and a position that moves on with every run. */
  private static Program program() {
    Trace trace = new Trace("test");
    Value x = trace.input("x", TensorType.f32(Shape.of(Axis.T, ROWS, Axis.D, WIDTH)));
    Value g = trace.weight("g", TensorType.f32(Shape.of(Axis.D, WIDTH)));
    Value pos = trace.state("pos", new TensorType(DType.I32, Shape.of(Axis.R, 1)));
    trace.output("y", trace.apply(new RmsNorm(1e-5), x.plus(x), g).plus(x));
    trace.output("pos", trace.apply(new Advance(), pos));
    return trace.program();
  }

  private static MemorySegment numbers(Arena arena, int n, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    MemorySegment data = arena.allocate(4L * n, 64);
    for (int i = 0; i < n; i++) {
      data.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
    }
    return data;
  }

  /** Outputs of a series of runs with other inputs and numbers of live rows. */
  private static List<byte[]> series(Switches switches) {
    List<byte[]> results = new ArrayList<>();
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = EmulatedBackend.emulate(DeviceOptions.DEFAULT, switches)) {
      Buffer g = device.constant(TensorType.f32(Shape.of(Axis.D, WIDTH)), numbers(arena, WIDTH, 1));
      Buffer pos = device.allocate(new TensorType(DType.I32, Shape.of(Axis.R, 1)));
      Executable exe = device.compile(program(), Map.of("g", g, "pos", pos));
      MemorySegment y = arena.allocate(4L * ROWS * WIDTH, 64);
      MemorySegment p = arena.allocate(JAVA_INT);
      long before = EmulatorDriver.launches();
      int[] live = {ROWS, 1, 3, 3, ROWS};
      for (int i = 0; i < live.length; i++) {
        exe.live(Axis.T, live[i]);
        exe.write("x", numbers(arena, live[i] * WIDTH, 10 + i));
        exe.run();
        exe.read("y", y);
        exe.read("pos", p);
        results.add(y.toArray(JAVA_BYTE));
        assertEquals(i + 1, p.get(JAVA_INT, 0));
      }
      assertEquals(
          (long) live.length * exe.plan().steps().size(), EmulatorDriver.launches() - before);
    }
    return results;
  }

  @Test
  void capturedIsEagerBitForBitWithOverlapAndWithout() {
    List<byte[]> captured = series(switches(true, true));
    List<byte[]> eager = series(switches(false, true));
    List<byte[]> apart = series(switches(true, false));
    for (int i = 0; i < eager.size(); i++) {
      assertArrayEquals(eager.get(i), captured.get(i), "run " + i);
      assertArrayEquals(apart.get(i), captured.get(i), "run " + i + " without overlap");
    }
    assertTrue(!java.util.Arrays.equals(eager.get(0), eager.get(4)), "every run gives the same");
  }

  @Test
  void closingFreesEverything() {
    assertEquals(0, EmulatorDriver.live());
    try (CudaDevice device = open(false);
        Arena arena = Arena.ofConfined()) {
      long own = EmulatorDriver.live();
      Buffer g = device.constant(TensorType.f32(Shape.of(Axis.D, WIDTH)), numbers(arena, WIDTH, 1));
      Buffer pos = device.allocate(new TensorType(DType.I32, Shape.of(Axis.R, 1)));
      Executable exe = device.compile(program(), Map.of("g", g, "pos", pos));
      exe.run();
      assertEquals(3, device.live());
      exe.close();
      g.close();
      pos.close();
      pos.close();
      assertEquals(0, device.live());
      assertEquals(own, EmulatorDriver.live());
      assertThrows(BackendException.class, exe::run);
      assertNotNull(device.allocate(TensorType.f32(Shape.of(Axis.D, 3))));
      // Left to the device.
    }
    assertEquals(0, EmulatorDriver.live());
  }

  @Test
  void quantizedBlocksComeBackAsTheyWere() {
    for (DType dtype : new DType[] {DType.Q4_0, DType.Q8_0}) {
      try (Arena arena = Arena.ofConfined();
          CudaDevice device = open(false)) {
        // More than a piece of the staging memory, and no whole number of pieces.
        TensorType type = new TensorType(dtype, Shape.of(Axis.O, 1031, Axis.I, 15040));
        MemorySegment blocks = arena.allocate(type.bytes(), 64);
        SplittableRandom random = new SplittableRandom(7);
        for (long i = 0; i < blocks.byteSize(); i++) {
          blocks.set(JAVA_BYTE, i, (byte) random.nextInt());
        }
        try (Buffer buffer = device.constant(type, blocks)) {
          MemorySegment back = arena.allocate(type.bytes(), 64);
          buffer.download(back, 0);
          assertEquals(-1, blocks.mismatch(back));
          int size = dtype.blockBytes();
          MemorySegment three = blocks.asSlice(1000L * size, 3L * size);
          buffer.upload(three, 17L * size);
          MemorySegment some = arena.allocate(5L * size, 2);
          buffer.download(some, 16L * size);
          assertEquals(-1, three.mismatch(some.asSlice(size, 3L * size)));
          assertEquals(
              -1, blocks.asSlice(20L * size, size).mismatch(some.asSlice(4L * size, size)));
          assertThrows(InputException.class, () -> buffer.download(some.asSlice(1), 0));
          assertThrows(InputException.class, () -> buffer.download(some, type.bytes() - size));
          buffer.copy(2000L * size, 500L * size, 700L * size);
          buffer.download(back, 0);
          MemorySegment.copy(three, 0, blocks, 17L * size, 3L * size);
          MemorySegment.copy(blocks, 2000L * size, blocks, 500L * size, 700L * size);
          assertEquals(-1, blocks.mismatch(back));
          assertThrows(InputException.class, () -> buffer.copy(0, size + 1, size));
          assertThrows(InputException.class, () -> buffer.copy(0, type.bytes() - size, 2L * size));
        }
      }
    }
  }

  @Test
  void plainMemoryIsCopiedWithinBounds() {
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = open(false)) {
      TensorType type = TensorType.f32(Shape.of(Axis.D, 3_000_000)); // more than a piece
      MemorySegment data = numbers(arena, 3_000_000, 3);
      Buffer buffer = device.constant(type, data);
      MemorySegment back = arena.allocate(type.bytes(), 64);
      buffer.download(back, 0);
      assertEquals(-1, data.mismatch(back));
      buffer.copy(0, 8000, 400);
      buffer.download(back.asSlice(0, 400), 8000);
      assertEquals(-1, data.asSlice(0, 400).mismatch(back.asSlice(0, 400)));
      assertThrows(InputException.class, () -> buffer.copy(0, type.bytes() - 4, 8));
      assertThrows(InputException.class, () -> buffer.upload(data, 4));
      Buffer zeroed = device.allocate(type);
      zeroed.download(back, 0);
      for (long i = 0; i < back.byteSize(); i += 4) {
        assertEquals(0, back.get(JAVA_INT, i));
      }
    }
  }

  @Test
  void badDataIsAnErrorThatNamesTheStep() {
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = open(false)) {
      Trace trace = new Trace("bad ids");
      Value ids = trace.input("ids", new TensorType(DType.I32, Shape.of(Axis.T, 2)));
      Value table = trace.weight("table", TensorType.f32(Shape.of(Axis.V, 5, Axis.D, 32)));
      Value image = trace.input("image", TensorType.f32(Shape.of(Axis.M, 1, Axis.D, 32)));
      trace.output("y", trace.apply(new Embed(), ids, table, image));
      Tensor rows = Tensor.allocate(arena, DType.F32, Shape.of(Axis.V, 5, Axis.D, 32));
      try (Executable exe = device.compile(
          trace.program(), Map.of("table", device.constant(rows.type(), rows.data())))) {
        MemorySegment y = arena.allocate(4L * 2 * 32);
        exe.write("ids", arena.allocateFrom(JAVA_INT, 4, 5));
        exe.run();
        BackendException e = assertThrows(BackendException.class, () -> exe.read("y", y));
        assertTrue(
            String.valueOf(e.getMessage()).startsWith("embed ")
                && String.valueOf(e.getMessage()).contains("out of range"),
            e.getMessage());
        exe.write("ids", arena.allocateFrom(JAVA_INT, 4, 0));
        exe.run();
        exe.read("y", y); // the error is told once
      }
    }
  }

  @Test
  void postedOutputsAreThoseOfTheirRun() {
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = open(false)) {
      Buffer g = device.constant(TensorType.f32(Shape.of(Axis.D, WIDTH)), numbers(arena, WIDTH, 1));
      Buffer pos = device.allocate(new TensorType(DType.I32, Shape.of(Axis.R, 1)));
      Executable exe = device.compile(program(), Map.of("g", g, "pos", pos));
      MemorySegment p = arena.allocate(JAVA_INT);
      exe.run();
      exe.post("pos");
      for (int i = 1; i < 6; i++) {
        exe.run();
        exe.post("pos");
        assertThrows(IllegalStateException.class, () -> exe.post("pos"));
        exe.collect(p);
        assertEquals(i, p.get(JAVA_INT, 0));
      }
      exe.collect(p);
      assertEquals(6, p.get(JAVA_INT, 0));
      assertThrows(IllegalStateException.class, () -> exe.collect(p));
    }
    assertEquals(0, EmulatorDriver.live());
  }

  @Test
  void aRunAllocatesNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = open(false)) {
      Buffer g = device.constant(TensorType.f32(Shape.of(Axis.D, WIDTH)), numbers(arena, WIDTH, 1));
      Buffer pos = device.allocate(new TensorType(DType.I32, Shape.of(Axis.R, 1)));
      Executable exe = device.compile(program(), Map.of("g", g, "pos", pos));
      MemorySegment x = numbers(arena, ROWS * WIDTH, 5);
      MemorySegment y = arena.allocate(4L * ROWS * WIDTH, 64);
      MemorySegment p = arena.allocate(JAVA_INT);
      long live = EmulatorDriver.live();
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 200 && least > 0; round++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 20; i++) {
          exe.live(Axis.T, 1 + i % ROWS);
          exe.write("x", x);
          exe.run();
          exe.post("pos");
          exe.read("y", y);
          exe.collect(p);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertEquals(0, least, "bytes of heap in 20 runs, once compiled");
      assertEquals(live, EmulatorDriver.live());
    }
  }

  @Test
  void refusesWhatMakesNoSense() {
    try (Arena arena = Arena.ofConfined();
        CudaDevice device = open(false)) {
      Buffer g = device.constant(TensorType.f32(Shape.of(Axis.D, WIDTH)), numbers(arena, WIDTH, 1));
      Buffer pos = device.allocate(new TensorType(DType.I32, Shape.of(Axis.R, 1)));
      assertThrows(
          BackendException.class, () -> device.compile(program(), Map.of("g", pos, "pos", g)));
      Executable exe = device.compile(program(), Map.of("g", g, "pos", pos));
      MemorySegment large = arena.allocate(4L * ROWS * WIDTH + 4);
      assertThrows(InputException.class, () -> exe.live(Axis.T, ROWS + 1));
      assertThrows(InputException.class, () -> exe.read("y", large));
      assertThrows(InputException.class, () -> exe.read("z", large));
      assertThrows(IndexOutOfBoundsException.class, () -> exe.write("x", large));
      assertThrows(
          InputException.class, () -> new EmulatedBackend().open(new DeviceOptions(0, "avx2")));
    }
    CudaDevice closed = open(false);
    closed.close();
    closed.close();
    assertThrows(
        BackendException.class, () -> closed.allocate(TensorType.f32(Shape.of(Axis.D, 1))));
  }

  /** On a machine with a driver and a GPU it opens; elsewhere it says in one line why not. */
  @Test
  void theRealBackendSaysWhatIsMissing() {
    CudaBackend backend = new CudaBackend();
    String problem = backend.unavailable();
    if (problem == null) {
      try (var device = backend.open(DeviceOptions.DEFAULT)) {
        assertTrue(device.describe().contains("compute capability"), device.describe());
      }
    } else {
      BackendException e =
          assertThrows(BackendException.class, () -> backend.open(DeviceOptions.DEFAULT));
      assertEquals("the cuda backend cannot run: " + problem, e.getMessage());
      assertEquals(1, problem.lines().count());
    }
  }
}
