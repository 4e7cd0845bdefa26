package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Machines without OpenCL: processes of their own, since a process looks for the loader once. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class OpenClMissingTest {
  private static final Path ROOT = Path.of(System.getProperty("fovea.root", "../.."));

  @TempDir
  Path folder = Path.of("");

  private record Said(int status, String out, String err) {}

  /** A loader that knows no driver. */
  @Test
  void withoutADeviceTheFolderOfDriversIsNamed() throws Exception {
    Path vendors = Files.createDirectory(folder.resolve("vendors"));
    refuses(vendors, List.of(), "no platform offers a device: looked for drivers in " + vendors);
  }

  @Test
  void withoutALoaderItsNameIsNamed() throws Exception {
    refuses(
        null,
        List.of("-Dorg.lwjgl.opencl.libname=libNoSuchLoader.so"),
        "no OpenCL loader: looked for libNoSuchLoader.so");
  }

  /** An answer of one line, never that of another backend; the same reason from doctor. */
  private void refuses(@Nullable Path vendors, List<String> flags, String why) throws Exception {
    Said ask = fovea(
        vendors,
        flags,
        "ask",
        "--backend",
        "opencl",
        ROOT.resolve("samples/scene-01.png").toString(),
        "What is this?");
    assertNotEquals(0, ask.status());
    assertEquals("", ask.out());
    assertEquals(1, ask.err().lines().count(), ask.err());
    assertTrue(ask.err().startsWith("fovea: ") && ask.err().contains(why), ask.err());
    Said check = fovea(vendors, flags, "check", "--backend", "opencl", "add");
    assertNotEquals(0, check.status());
    assertTrue(check.err().contains(why), check.err());
    Said doctor = fovea(vendors, flags, "doctor");
    assertTrue(
        doctor.out().lines().anyMatch(l -> l.startsWith("backend opencl") && l.contains(why)),
        doctor.out() + doctor.err());
  }

  private Said fovea(@Nullable Path vendors, List<String> flags, String... args)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx256m",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow"));
    command.addAll(flags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of(args));
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().put("FOVEA_HOME", ROOT.toString());
    if (vendors != null) {
      builder.environment().put("OCL_ICD_VENDORS", vendors.toString());
    }
    int status = builder.start().waitFor();
    return new Said(
        status,
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }
}
