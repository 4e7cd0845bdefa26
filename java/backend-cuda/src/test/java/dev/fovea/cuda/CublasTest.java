package dev.fovea.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.op.Linear;
import dev.fovea.op.LinearAdd;
import dev.fovea.op.LinearGelu;
import dev.fovea.op.LinearQuickGelu;
import dev.fovea.op.Op;
import dev.fovea.op.SwiGlu;
import dev.fovea.program.Plan;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Blocks;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The kernel that has cuBLAS multiply, on the emulated device: what lies round the product, faults of the product that must show, and who
 * is chosen. Factors are small integers, whose sums are exact in any order, so that results have the bits of the plain kernel.
 */
class CublasTest {
  private static final int ROWS = 9;
  private static final int LIVE = 7;
  private static final int WIDTH = 13; // neither even nor a multiple of 16 bytes
  private static final int OUTS = 5;
  private static final long SEED = 17;

  private static CudaDevice open(Switches.Cublas cublas) {
    return EmulatedBackend.emulate(DeviceOptions.DEFAULT, new Switches(true, true, cublas));
  }

  private static List<@Nullable TensorType> types(Op op, DType weights, int rows) {
    TensorType w = new TensorType(weights, Shape.of(Axis.O, OUTS, Axis.I, WIDTH));
    List<@Nullable TensorType> in = new ArrayList<>();
    for (String name : op.inputs()) {
      in.add(
          switch (name) {
            case "x" -> TensorType.f32(Shape.of(Axis.T, rows, Axis.I, WIDTH));
            case "r" -> TensorType.f32(Shape.of(Axis.T, rows, Axis.O, OUTS));
            case "b?" -> TensorType.f32(Shape.of(Axis.O, OUTS));
            default -> w;
          });
    }
    return in;
  }

  private static Program program(Op op, List<@Nullable TensorType> in) {
    Trace trace = new Trace("test");
    List<@Nullable Value> values = new ArrayList<>();
    for (int i = 0; i < in.size(); i++) {
      TensorType type = in.get(i);
      values.add(type == null ? null : trace.weight("in" + i, type));
    }
    trace.output("y", trace.apply(op, values));
    return trace.program();
  }

  private static Kernel kernel(CudaDevice device, Program program, String variant) {
    var node = program.nodes().getFirst();
    for (Device.Candidate c :
        device.candidates(node.op(), node.inputTypes(), node.out().type())) {
      if (c.kernel().variant().equals(variant)) {
        assertEquals(null, c.rejected());
        return c.kernel();
      }
    }
    throw new AssertionError("no " + variant);
  }

  /** The arena, which holds y alone, after a run that began with 0x5a everywhere. */
  private static byte[] run(CudaDevice device, Op op, DType weights, String variant) {
    List<@Nullable TensorType> in = types(op, weights, ROWS);
    Program program = program(op, in);
    Kernel kernel = kernel(device, program, variant);
    return run(device, program, in, kernel);
  }

  private static byte[] run(
      CudaDevice device, Program program, List<@Nullable TensorType> in, Kernel kernel) {
    SplittableRandom random = new SplittableRandom(SEED);
    Map<String, Buffer> buffers = new HashMap<>();
    try (Arena arena = Arena.ofConfined()) {
      for (int i = 0; i < in.size(); i++) {
        TensorType type = in.get(i);
        if (type != null) {
          MemorySegment data = arena.allocate(type.bytes(), 64);
          for (long j = 0; j < type.shape().elements(); j++) {
            Blocks.set(type.dtype(), data, j, random.nextInt(-3, 4));
          }
          buffers.put("in" + i, device.constant(type, data));
        }
      }
      Plan plan = Plan.of(program, (_, _, _) -> kernel);
      MemorySegment memory = arena.allocate(plan.arenaBytes(), 64);
      try (Executable exe = device.compile(plan, buffers)) {
        exe.live(Axis.T, LIVE);
        for (int i = 0; i < 3; i++) { // eager, captured, replayed
          memory.fill((byte) 0x5a);
          exe.poke(0, memory);
          exe.run();
          exe.peek(0, memory);
        }
        return memory.toArray(JAVA_BYTE);
      }
    } finally {
      buffers.values().forEach(Buffer::close);
    }
  }

  @Test
  void whatLiesRoundTheProductIsThatOfThePlainKernel() {
    try (CudaDevice device = open(Switches.Cublas.TRUE)) {
      for (Op op : List.of(
          new Linear(), new LinearAdd(), new LinearGelu(), new LinearQuickGelu(), new SwiGlu())) {
        for (DType weights : new DType[] {DType.F32, DType.F16, DType.BF16}) {
          byte[] plain = run(device, op, weights, "plain");
          byte[] cublas = run(device, op, weights, "cublas");
          assertArrayEquals(plain, cublas, op + " " + weights + ", seed " + SEED);
          for (int i = LIVE * OUTS * 4; i < cublas.length; i++) {
            assertEquals(0x5a, cublas[i], op + " wrote byte " + i + " of rows that do not count");
          }
        }
      }
    }
  }

  /** The emulator's own product. */
  private static Gemm loops() {
    MethodHandle gemm = Library.emulated()
        .bind(
            "fovea_emulator_gemm",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG,
                JAVA_LONG, JAVA_LONG));
    return (dtype, rows, outs, width, x, step, w, y, stream) -> {
      try {
        return (int) gemm.invokeExact(dtype, rows, outs, width, x, step, w, y, stream);
      } catch (Throwable e) {
        throw NativeLibrary.unexpected(e);
      }
    };
  }

  @Test
  void faultsOfTheProductShow() {
    Gemm right = loops();
    Map<String, Gemm> faults = Map.of(
        "operands exchanged",
        (type, rows, outs, width, x, step, w, y, stream) ->
            right.multiply(type, outs, rows, width, w, width, x, y, stream),
        "rows too close",
        (type, rows, outs, width, x, step, w, y, stream) ->
            right.multiply(type, rows, outs, width, x, width, w, y, stream),
        "the last row that counts forgotten",
        (type, rows, outs, width, x, step, w, y, stream) ->
            right.multiply(type, LIVE - 1, outs, width, x, step, w, y, stream),
        "the last term forgotten",
        (type, rows, outs, width, x, step, w, y, stream) ->
            right.multiply(type, rows, outs, width - 1, x, step, w, y, stream),
        "the other half type",
        (type, rows, outs, width, x, step, w, y, stream) -> right.multiply(
            type == DType.F16.code() ? DType.BF16.code() : DType.F16.code(),
            rows,
            outs,
            width,
            x,
            step,
            w,
            y,
            stream));
    for (DType weights : new DType[] {DType.F16, DType.BF16}) {
      faults.forEach((name, fault) -> {
        try (CudaDevice device = open(Switches.Cublas.TRUE);
            Arena arena = Arena.ofShared()) {
          byte[] plain = run(device, new Linear(), weights, "plain");
          device.library().offerGemm(device.context(), Library.callable(right, arena));
          assertArrayEquals(plain, run(device, new Linear(), weights, "cublas"), "no fault");
          device.library().offerGemm(device.context(), Library.callable(fault, arena));
          byte[] found = run(device, new Linear(), weights, "cublas");
          assertFalse(Arrays.equals(plain, found), name + " with " + weights);
        }
      });
    }
  }

  @Test
  void whatCublasRefusesIsAnError() {
    try (CudaDevice device = open(Switches.Cublas.TRUE);
        Arena arena = Arena.ofShared()) {
      run(device, new Linear(), DType.F16, "cublas");
      device
          .library()
          .offerGemm(device.context(), Library.callable((_, _, _, _, _, _, _, _, _) -> 15, arena));
      BackendException e = assertThrows(
          BackendException.class, () -> run(device, new Linear(), DType.F16, "cublas"));
      assertTrue(String.valueOf(e.getMessage()).contains("cuBLAS refuses"), e.getMessage());
    }
  }

  @Test
  void theSwitchDecidesAndThePlanSaysWhy() {
    Op op = new Linear();
    for (Switches.Cublas cublas : Switches.Cublas.values()) {
      try (CudaDevice device = open(cublas)) {
        for (int rows : new int[] {1, 200}) {
          Plan plan = Plan.of(program(op, types(op, DType.F16, rows)), device::select);
          assertEquals(
              cublas == Switches.Cublas.TRUE,
              plan.steps().getFirst().kernel().variant().equals("cublas"),
              plan.toString());
          assertEquals(
              cublas == Switches.Cublas.FALSE,
              plan.toString().contains("(cuBLAS is switched off)"),
              plan.toString());
        }
        Plan quantized = Plan.of(
            program(
                op,
                Arrays.asList(
                    TensorType.f32(Shape.of(Axis.T, 200, Axis.I, 32)),
                    new TensorType(DType.Q4_0, Shape.of(Axis.O, OUTS, Axis.I, 32)),
                    null)),
            device::select);
        assertEquals("mma", quantized.steps().getFirst().kernel().variant());
      }
    }
  }

  @Test
  void kernelsAreTimedOnce(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("cache").resolve("times.tsv");
    KernelTimes.Times measured = new KernelTimes.Times(30, 20);
    KernelTimes first = new KernelTimes(file);
    assertEquals(measured, first.of("gpu, linear", () -> measured));
    KernelTimes.Race never = () -> {
      throw new AssertionError("measured again");
    };
    assertEquals(measured, first.of("gpu, linear", never));
    // Later lines and lines that make no sense change nothing.
    Files.writeString(file, Files.readString(file) + "1\t2\tgpu, linear\nx\t2\tother\n7\t");
    KernelTimes second = new KernelTimes(file);
    assertEquals(measured, second.of("gpu, linear", never));
    assertEquals(measured, second.of("other", () -> measured));
    assertEquals(measured, new KernelTimes(folder).of("gpu", () -> measured), "no file to write");
    assertThrows(
        BackendException.class,
        () -> second.of("fails", () -> {
          throw new BackendException("no memory");
        }));
    assertEquals(measured, second.of("fails", () -> measured), "a failure is not kept");
  }

  @Test
  void aRaceTimesBothAndLeavesNothing() {
    try (CudaDevice device = open(Switches.Cublas.TRUE)) {
      Op op = new Linear();
      List<@Nullable TensorType> in = types(op, DType.F16, ROWS);
      Program program = program(op, in);
      long live = device.live();
      KernelTimes.Times times = KernelTimes.race(
          device, op, in, kernel(device, program, "mma"), kernel(device, program, "cublas"));
      assertTrue(times.first() > 0 && times.second() > 0, times.toString());
      assertEquals(live, device.live());
    }
  }
}
