package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.op.FusedOp;
import dev.fovea.op.Ops;
import dev.fovea.program.Fuse;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import dev.fovea.reference.ReferenceBackend;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Fusion and placement on random programs. */
class ProgramPassesTest {
  private static final int PROGRAMS = 300;

  private static Program program(long seed) {
    return RandomProgram.of(seed, 3 + (int) (seed % 22));
  }

  @Test
  void fusedAndPlacedComputesWhatTheDefinitionsDo() {
    int fusions = 0;
    for (long seed = 0; seed < PROGRAMS; seed++) {
      Program program = program(seed);
      try (Device reference = new ReferenceBackend().open(DeviceOptions.DEFAULT);
          HostDevice host = new HostDevice();
          HostDevice plain = new HostDevice(
              "definition", op -> !(op instanceof FusedOp), Computation.DEFINITION)) {
        List<List<Float>> expected = run(reference, program, seed, 1);
        assertEquals(expected, run(plain, program, seed, 1), program + "unfused, seed " + seed);
        assertEquals(expected, run(host, program, seed, 1), program + "fused, seed " + seed);
        assertEquals(expected, run(host, program, seed, 2), program + "run twice, seed " + seed);
        Program fused =
            Fuse.apply(program, Ops.FUSED, (op, in, out) -> host.select(op, in, out) != null);
        fusions += program.nodes().size() - fused.nodes().size();
      }
    }
    assertTrue(
        fusions > PROGRAMS, "only " + fusions + " nodes vanished in " + PROGRAMS + " programs");
  }

  private static List<List<Float>> run(Device device, Program program, long seed, int times) {
    SplittableRandom random = new SplittableRandom(seed);
    List<List<Float>> results = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      Map<String, Tensor> numbers = new HashMap<>();
      Map<String, Buffer> bound = new HashMap<>();
      for (Value v : program.sources()) {
        Tensor t = Tensor.allocate(arena, v.type());
        for (int i = 0; i < t.elements(); i++) {
          t.set(i, v.type().dtype() == DType.I32 ? random.nextInt(3) : random.nextGaussian() / 3);
        }
        numbers.put(v.name(), t);
        if (v.kind() != Value.Kind.INPUT) {
          bound.put(v.name(), device.constant(v.type(), t.data()));
        }
      }
      try (Executable exe = device.compile(program, bound)) {
        for (Value v : program.sources(Value.Kind.INPUT)) {
          exe.write(v.name(), Objects.requireNonNull(numbers.get(v.name())).data());
        }
        for (int i = 0; i < times; i++) {
          exe.run();
        }
        program.outputs().forEach((name, v) -> {
          Tensor y = Tensor.allocate(arena, v.type());
          exe.read(name, y.data());
          List<Float> list = new ArrayList<>();
          for (float f : y.toFloats()) {
            list.add(f);
          }
          results.add(list);
        });
      }
    }
    return results;
  }

  @Test
  void nothingThatIsStillReadIsOverwritten() {
    int shared = 0;
    long arena = 0;
    long sum = 0;
    for (long seed = 0; seed < PROGRAMS; seed++) {
      Program program = program(seed);
      try (HostDevice host = new HostDevice()) {
        Plan plan = Plan.of(program, host::select);
        shared += checkPlacement(plan, "seed " + seed);
        arena += plan.arenaBytes();
        for (Value v : plan.places().keySet()) {
          sum += plan.place(v).source() == null && v.equals(root(v)) ? v.type().bytes() : 0;
        }
      }
    }
    assertTrue(shared > PROGRAMS / 2, "only " + shared + " results were placed on an operand");
    assertTrue(arena < sum * 3 / 4, arena + " bytes of arenas for " + sum + " bytes of values");
  }

  /** An account of lifetimes apart from Plan's own; returns how many results lie on one of their inputs. */
  private static int checkPlacement(Plan plan, String seed) {
    List<Node> nodes = plan.program().nodes();
    int inPlace = 0;
    for (int i = 0; i < nodes.size(); i++) {
      Node node = nodes.get(i);
      if (node.op().aliasOf() >= 0) {
        continue;
      }
      Plan.Slice out = plan.place(node.out());
      assertEquals(0, out.offset() % 64, seed);
      assertTrue(out.offset() + out.bytes() <= plan.arenaBytes(), seed);
      for (Value needed : neededAfter(plan.program(), i)) {
        if (!root(needed).equals(node.out())) {
          assertFalse(
              overlap(out, plan.place(needed)),
              () -> node.out() + " overwrites " + needed + ", " + seed + "\n" + plan);
        }
      }
      for (int j = 0; j < node.inputs().size(); j++) {
        Value in = node.inputs().get(j);
        if (in != null && overlap(out, plan.place(in))) {
          assertTrue(node.op().inPlace().contains(j), seed + "\n" + plan);
          assertEquals(out, plan.place(in), seed);
          inPlace++;
        }
      }
    }
    return inPlace;
  }

  /** Values that exist before or at node i and are read after it; inputs always are, by the next run. */
  private static Set<Value> neededAfter(Program program, int i) {
    Set<Value> needed = new HashSet<>(program.sources(Value.Kind.INPUT));
    List<Node> nodes = program.nodes();
    for (int j = i + 1; j < nodes.size(); j++) {
      for (Value v : nodes.get(j).inputs()) {
        if (v != null) {
          needed.add(root(v));
        }
      }
    }
    program.outputs().values().forEach(v -> needed.add(root(v)));
    for (int j = i + 1; j < nodes.size(); j++) {
      needed.removeAll(nodes.get(j).made());
    }
    return needed;
  }

  private static Value root(Value v) {
    Value alias = v.alias();
    return alias == null ? v : root(alias);
  }

  private static boolean overlap(Plan.Slice a, Plan.Slice b) {
    return a.source() == b.source()
        && a.offset() < b.offset() + b.bytes()
        && b.offset() < a.offset() + a.bytes();
  }
}
