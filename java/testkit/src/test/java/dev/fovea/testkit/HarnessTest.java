package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.InputException;
import dev.fovea.op.Add;
import dev.fovea.op.Ops;
import dev.fovea.op.RmsNorm;
import dev.fovea.reference.ReferenceBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class HarnessTest {

  @TestFactory
  Stream<DynamicTest> passesEveryDefinition() {
    return Ops.all().stream()
        .map(op -> dynamicTest(op.name(), () -> {
          try (HostDevice device = new HostDevice()) {
            List<CheckResult> results = new ArrayList<>();
            new Harness(device).check(op, results::add);
            assertEquals(op.cases().size(), results.size());
            for (CheckResult r : results) {
              assertEquals(new Outcome.Passed(0), r.outcome(), CheckReport.line(r));
            }
          }
        }));
  }

  @TestFactory
  Stream<DynamicTest> catchesEveryMutant() {
    return Mutants.wrong().stream()
        .map(m -> dynamicTest(m.toString(), () -> {
          List<CheckResult> results = new ArrayList<>();
          m.check(results::add);
          assertFalse(results.isEmpty());
          assertTrue(results.stream().anyMatch(CheckResult::failed), () -> m + " was not caught");
        }));
  }

  @TestFactory
  Stream<DynamicTest> passesRightKernelsThatRound() {
    return Mutants.right().stream()
        .map(m -> dynamicTest(m.toString(), () -> {
          List<CheckResult> results = new ArrayList<>();
          m.check(results::add);
          // Its binary32 steps must show: a share of 0 would mean that nothing was compared.
          double worst = 0;
          for (CheckResult r : results) {
            assertTrue(r.outcome() instanceof Outcome.Passed, CheckReport.line(r));
            worst = r.outcome() instanceof Outcome.Passed p ? Math.max(worst, p.share()) : worst;
          }
          assertTrue(worst > 0 && worst <= 1, "share " + worst);
        }));
  }

  @Test
  void wantsEqualBitsOnAllDevices() {
    Computation upward = l -> {
      Definition d = l.define(l.op(), l.numbers());
      for (int i = 0; i < d.values().length; i++) {
        d.values()[i] = Math.nextUp((float) d.values()[i]);
      }
      d.store(l.out().memory());
    };
    try (HostDevice one = new HostDevice("sum", op -> true, Computation.DEFINITION);
        HostDevice two = new HostDevice("sum", op -> true, upward)) {
      List<CheckResult> results = new ArrayList<>();
      new Harness(List.of(one, two)).check(new RmsNorm(1e-5).cases().get(1), results::add);
      assertEquals(2, results.size());
      assertFalse(results.getFirst().failed());
      assertTrue(
          results.get(1).outcome() instanceof Outcome.Failed f
              && f.what().contains("other bits than on"),
          CheckReport.line(results.get(1)));
    }
  }

  @Test
  void reportsMissingKernelsAndGivesAVerdict() {
    List<String> lines = new ArrayList<>();
    try (HostDevice device =
        new HostDevice("definition", op -> op.name().equals("add"), Computation.DEFINITION)) {
      CheckReport add = CheckReport.run(List.of(device), "add", lines::add);
      assertTrue(add.passed());
      assertEquals(new Add().cases().size(), lines.size());
      assertEquals(
          List.of("add f32,f32->f32 [definition] on host: host memory, definition: "
              + new Add().cases().size() + " passed, worst 0.0 % of the bound"),
          add.summary());
      CheckReport gelu = CheckReport.run(List.of(device), "gelu", lines::add);
      assertFalse(gelu.passed(), "nothing ran");
      assertEquals(1, gelu.summary().size());
      assertTrue(
          gelu.summary().getFirst().contains("no kernel for"), gelu.summary().getFirst());
      assertThrows(
          InputException.class, () -> CheckReport.run(List.of(device), "softmax", lines::add));
    }
  }

  @Test
  void refusesTheReference() {
    try (var device = new ReferenceBackend().open(DeviceOptions.DEFAULT)) {
      assertThrows(InputException.class, () -> new Harness(device));
    }
  }
}
