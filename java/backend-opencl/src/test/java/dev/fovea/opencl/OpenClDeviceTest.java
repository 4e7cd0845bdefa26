package dev.fovea.opencl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Add;
import dev.fovea.op.TakeRows;
import dev.fovea.program.Trace;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenClDeviceTest {
  private static final TensorType SIX = TensorType.f32(Shape.of(Axis.T, 2, Axis.D, 3));

  private static OpenClDevice open() {
    return new OpenClDevice(Found.choose(Found.all(), null));
  }

  private static Executable adding(Device device) {
    Trace trace = new Trace("add");
    trace.output("y", trace.apply(new Add(), trace.input("a", SIX), trace.input("b", SIX)));
    return device.compile(trace.program(), Map.of());
  }

  private static float[] sum(Executable add, Arena arena, float... b) {
    add.write("a", arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6));
    add.write("b", arena.allocateFrom(ValueLayout.JAVA_FLOAT, b));
    add.run();
    MemorySegment y = arena.allocate(SIX.bytes(), 4);
    add.read("y", y);
    return y.toArray(ValueLayout.JAVA_FLOAT);
  }

  @Test
  void namesAreIndexesOrPartsOfNames() {
    List<Found> all = Found.all();
    Found first = all.getFirst();
    assertEquals(first, Found.choose(all, "0"));
    assertEquals(
        first, Found.choose(all, first.name().substring(1).toUpperCase(java.util.Locale.ROOT)));
    BackendException e =
        assertThrows(BackendException.class, () -> Found.choose(all, "no such device"));
    assertTrue(String.valueOf(e.getMessage()).contains("0 (" + first.name() + ")"), e.getMessage());
    assertThrows(
        InputException.class, () -> new OpenClBackend().open(new DeviceOptions(0, "avx2")));
  }

  @Test
  void postedResultsOutliveLaterRuns() {
    try (Arena arena = Arena.ofConfined();
        OpenClDevice device = open();
        Executable add = adding(device)) {
      add.write("a", arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6));
      for (int i = 0; i < 2; i++) {
        add.write("b", arena.allocateFrom(ValueLayout.JAVA_FLOAT, i, i, i, i, i, i));
        add.run();
        add.post("y");
      }
      assertThrows(IllegalStateException.class, () -> add.post("y"));
      MemorySegment y = arena.allocate(SIX.bytes(), 4);
      for (int i = 0; i < 2; i++) {
        add.collect(y);
        assertArrayEquals(
            new float[] {1 + i, 2 + i, 3 + i, 4 + i, 5 + i, 6 + i},
            y.toArray(ValueLayout.JAVA_FLOAT));
      }
      assertThrows(IllegalStateException.class, () -> add.collect(y));
    }
  }

  @Test
  void wrongDataIsSaidWithTheStep() {
    TensorType one = TensorType.i32(Shape.of(Axis.R, 1));
    Trace trace = new Trace("take");
    trace.output("y", trace.apply(new TakeRows(), trace.input("x", SIX), trace.input("rows", one)));
    try (Arena arena = Arena.ofConfined();
        OpenClDevice device = open();
        Executable take = device.compile(trace.program(), Map.of())) {
      MemorySegment y = arena.allocate(12, 4);
      take.write("x", arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2, 3, 4, 5, 6));
      take.write("rows", arena.allocateFrom(ValueLayout.JAVA_INT, 2));
      take.run();
      BackendException e = assertThrows(BackendException.class, () -> take.read("y", y));
      assertTrue(
          String.valueOf(e.getMessage()).contains("take_rows")
              && String.valueOf(e.getMessage()).contains("out of range"),
          e.getMessage());
      take.write("rows", arena.allocateFrom(ValueLayout.JAVA_INT, 1));
      take.run();
      take.read("y", y);
      assertArrayEquals(new float[] {4, 5, 6}, y.toArray(ValueLayout.JAVA_FLOAT));
    }
  }

  @Test
  void saysWhatIsTooLarge() {
    try (OpenClDevice device = open()) {
      TensorType huge = TensorType.f32(Shape.of(Axis.T, 1 << 20, Axis.D, 1 << 20));
      BackendException e = assertThrows(BackendException.class, () -> device.allocate(huge));
      assertTrue(String.valueOf(e.getMessage()).contains("4194304.0 MiB"), e.getMessage());
    }
  }

  /** A device that pretends to have little memory, and buffers of any size. */
  @Test
  void saysHowMuchWasAskedForAndIsFree() {
    long before = Cl.live();
    Found f = Found.choose(Found.all(), null);
    Found little = new Found(
        f.index(),
        f.platform(),
        f.device(),
        "little",
        f.driver(),
        f.units(),
        3 << 20,
        0,
        f.mostItems(),
        f.shared(),
        f.processor(),
        f.doubles(),
        f.exactDivision(),
        null);
    TensorType mega = TensorType.f32(Shape.of(Axis.T, 512, Axis.D, 512));
    try (Arena arena = Arena.ofConfined();
        OpenClDevice device = new OpenClDevice(little)) {
      Buffer first = device.allocate(mega);
      try (Buffer _ = device.constant(mega, arena.allocate(mega.bytes(), 64));
          Buffer _ = device.allocate(mega)) {
        String full = "1.0 MiB were asked for, 0.0 MiB are free of the 3.0 MiB of little";
        for (org.junit.jupiter.api.function.Executable more :
            List.<org.junit.jupiter.api.function.Executable>of(
                () -> device.allocate(mega),
                () -> device.constant(mega, arena.allocate(mega.bytes(), 64)))) {
          BackendException e = assertThrows(BackendException.class, more);
          assertTrue(String.valueOf(e.getMessage()).contains(full), e.getMessage());
        }
        first.close(); // what is given back is free again
        device.allocate(mega).close();
      }
    }
    assertEquals(before, Cl.live());
  }

  /** Work of more kernels than the clock keeps events of. */
  @Test
  void theClockCountsWhatRunsWhileItIsOn() {
    long before = Cl.live();
    try (Arena arena = Arena.ofConfined();
        OpenClDevice device = open();
        Executable add = adding(device)) {
      assertThrows(IllegalStateException.class, device::stopClock);
      assertTrue(device.startClock());
      assertThrows(IllegalStateException.class, device::startClock);
      assertEquals(0, device.stopClock());
      assertTrue(device.startClock());
      assertArrayEquals(
          new float[] {2, 2, 3, 4, 5, 7}, sum(add, arena, 1, 0, 0, 0, 0, 1), "while it is on");
      long once = device.stopClock();
      assertTrue(once > 0, "one kernel took " + once + " ns");
      long wall = System.nanoTime();
      assertTrue(device.startClock());
      for (int i = 0; i < 1500; i++) {
        add.run();
      }
      long many = device.stopClock();
      wall = System.nanoTime() - wall;
      assertTrue(once < many && many <= wall, once + " < " + many + " <= " + wall);
      assertTrue(device.startClock()); // closing the device ends it
    }
    assertEquals(before, Cl.live());
  }

  @Test
  void ceilingsAreMeasured() {
    long before = Cl.live();
    try (OpenClDevice device = open()) {
      var most = device.ceilings();
      assertTrue(most.read() > 1e8 && most.read() < 1e14, "read " + most.read());
      assertTrue(most.f32() > 1e8 && most.f32() < 1e16, "f32 " + most.f32());
      assertEquals(most.f32(), most.operations());
    }
    assertEquals(before, Cl.live());
  }

  /** What a file says is only taken if it is what was written; else it is made again. */
  @Test
  void damagedProgramsAreBuiltAgain(@TempDir Path folder) throws IOException {
    long before = Cl.live();
    Found found = Found.choose(Found.all(), null);
    long context = Cl.context(found.platform(), found.device());
    Path file = build(context, found, folder);
    byte[] whole = Files.readAllBytes(file);
    for (int cut : new int[] {0, 20, whole.length - 1}) {
      Files.write(file, java.util.Arrays.copyOf(whole, cut));
      assertEquals(file, build(context, found, folder));
      assertEquals(whole.length, Files.size(file), "after " + cut + " bytes");
    }
    byte[] wrong = whole.clone();
    wrong[whole.length / 2] ^= 1;
    Files.write(file, wrong);
    build(context, found, folder);
    assertEquals(-1, Files.mismatch(file, Files.write(folder.resolve("whole"), whole)));
    Cl.releaseContext(context);
    assertEquals(before, Cl.live());
  }

  /** Of several that are built at once one does not build: the others' objects are given back, and the error is the compiler's. */
  @Test
  void aProgramThatDoesNotBuildIsSaid(@TempDir Path folder) {
    long before = Cl.live();
    Found found = Found.choose(Found.all(), null);
    long context = Cl.context(found.platform(), found.device());
    try (Programs programs = new Programs(context, found, folder)) {
      Programs.Text wrong = new Programs.Text(List.of("attention.cl"), List.of("DH=no"));
      BackendException e = assertThrows(
          BackendException.class,
          () -> programs.all(
              java.util.Set.of(new Programs.Text(List.of("add.cl"), List.of()), wrong)));
      assertTrue(
          String.valueOf(e.getMessage()).contains("attention.cl DH=no (")
              && String.valueOf(e.getMessage()).contains("does not build"),
          e.getMessage());
    }
    Cl.releaseContext(context);
    assertEquals(before, Cl.live());
  }

  /** The one file there is after a program was asked for. */
  private static Path build(long context, Found found, Path folder) throws IOException {
    try (Programs programs = new Programs(context, found, folder)) {
      Programs.Text add = new Programs.Text(List.of("add.cl"), List.of());
      long program = programs.of(add);
      assertEquals(program, programs.of(add));
      Cl.releaseKernel(Cl.kernel(program, "add__sixteen"));
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> found2 = files.toList();
      assertEquals(1, found2.size(), found2.toString());
      return found2.getFirst();
    }
  }

  /** Whoever forgets to close a buffer or an executable has its device close them. */
  @Test
  void devicesCloseWhatIsLeftOpen() {
    long before = Cl.live();
    try (Arena arena = Arena.ofConfined();
        OpenClDevice device = open()) {
      Buffer buffer = device.allocate(SIX);
      buffer.upload(arena.allocateFrom(ValueLayout.JAVA_FLOAT, 6, 5, 4, 3, 2, 1), 0);
      buffer.copy(0, 12, 12);
      MemorySegment back = arena.allocate(24, 4);
      buffer.download(back, 0);
      assertArrayEquals(new float[] {6, 5, 4, 6, 5, 4}, back.toArray(ValueLayout.JAVA_FLOAT));
      assertThrows(InputException.class, () -> buffer.download(back, 4));
      assertArrayEquals(
          new float[] {2, 2, 3, 4, 5, 7}, sum(adding(device), arena, 1, 0, 0, 0, 0, 1));
    }
    assertEquals(before, Cl.live());
  }
}
