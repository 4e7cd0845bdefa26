package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every OpenCL kernel through the harness, on the device that the backend chooses. */
class OpenClKernelsTest {

  @TestFactory
  Stream<DynamicTest> agreeWithTheDefinitions() {
    return Ops.all().stream().map(op -> dynamicTest(op.name(), () -> check(op)));
  }

  private static void check(Op op) {
    try (Device device = Backend.named("opencl").open(DeviceOptions.DEFAULT)) {
      CheckReport report = CheckReport.run(List.of(device), op.name(), _ -> {});
      assertEquals(List.of(), report.failures().stream().map(CheckReport::line).toList());
      assertTrue(report.passed(), () -> String.join("\n", report.summary()));
    }
  }
}
