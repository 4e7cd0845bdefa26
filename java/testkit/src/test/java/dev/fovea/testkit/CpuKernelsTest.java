package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.BackendException;
import dev.fovea.op.Case;
import dev.fovea.op.Op;
import dev.fovea.op.Operands;
import dev.fovea.op.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every native kernel that this machine can run, through the harness, on 1, 2 and 3 threads. */
class CpuKernelsTest {
  private static final List<String> TIERS =
      List.of("scalar", "avx2", "avx512", "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm");

  /** The best tier runs the kernels of every tier below it too. */
  @TestFactory
  Stream<DynamicTest> agreeWithTheDefinitions() {
    return Ops.all().stream()
        .map(op -> dynamicTest(op.name(), () -> {
          List<Device> devices = new ArrayList<>();
          try {
            for (int threads = 1; threads <= 3; threads++) {
              devices.add(Backend.named("cpu").open(new DeviceOptions(threads, null)));
            }
            CheckReport report = CheckReport.run(devices, op.name(), _ -> {});
            assertEquals(
                List.of(), report.failures().stream().map(CheckReport::line).toList());
            assertTrue(
                report.passed() || Ops.FUSED.contains(op),
                () -> String.join("\n", report.summary()));
          } finally {
            devices.forEach(Device::close);
          }
        }));
  }

  /** What is held back from a lower tier is rejected there with a reason, and nothing of a model goes without a kernel. */
  @Test
  void everyTierHasAKernelForEveryCase() {
    int opened = 0;
    for (String tier : TIERS) {
      Device device;
      try {
        device = Backend.named("cpu").open(new DeviceOptions(1, tier));
      } catch (BackendException e) {
        assertTrue(e.toString().contains("this machine has no " + tier), e.toString());
        continue;
      }
      opened++;
      try (device) {
        for (Op op : Ops.PLAIN) {
          for (Case c : op.cases()) {
            assertNotNull(
                device.select(c.op(), c.in(), c.op().infer(new Operands(c.op(), c.in()))),
                () -> tier + ": no kernel for " + op.name() + " " + c.name());
          }
        }
      }
    }
    assertFalse(opened == 0, "not even scalar can be opened");
  }
}
