package dev.fovea.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.op.Op;
import dev.fovea.op.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OpTableTest {

  @Test
  void committedTableIsWhatTheKernelTablesSay() throws IOException {
    Path file = Path.of(System.getProperty("fovea.root", "."), "docs", "ops.md");
    List<Device> devices = new ArrayList<>();
    try {
      for (Backend b : Backend.all()) {
        if (OpTable.lists(b.name())) {
          devices.add(b.open(DeviceOptions.DEFAULT));
        }
      }
      String text = OpTable.text(devices);
      if (Boolean.getBoolean("fovea.rewrite")) {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
      }
      assertEquals(Files.readString(file), text, "run ./fovea check --docs to rewrite " + file);
    } finally {
      devices.forEach(Device::close);
    }
  }

  @Test
  void listsEveryOpAndMarksWhatIsMissing() {
    try (HostDevice device =
        new HostDevice("definition", op -> op.name().equals("linear"), Computation.DEFINITION)) {
      String text = OpTable.text(List.of(device));
      for (Op op : Ops.all()) {
        assertTrue(text.contains("| `" + op.name() + "`"), op.name());
      }
      assertTrue(text.contains("| `linear` | `f32,q4_0,_->f32` | `definition` |"), text);
      assertTrue(text.contains("| `add` | `f32,f32->f32` | **none** |"), text);
      assertTrue(text.contains("| x [T,D], g [D] | [T,D] | eps |"), text);
    }
  }
}
