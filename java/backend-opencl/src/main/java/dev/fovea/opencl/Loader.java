package dev.fovea.opencl;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.lwjgl.opencl.CL;
import org.lwjgl.system.Configuration;

/** Loads the system's OpenCL loader, once. */
final class Loader {
  /** Debian's and Ubuntu's run-time package has the first name alone, which LWJGL does not try. */
  private static final String[] LINUX = {"libOpenCL.so.1", "libOpenCL.so"};

  private static final @Nullable String PROBLEM = load();

  private Loader() {}

  /** Why there is no OpenCL on this machine; null if there is. */
  static @Nullable String problem() {
    return PROBLEM;
  }

  /** Where the loader looks for drivers, for people. */
  static String vendors() {
    String given = System.getenv("OCL_ICD_VENDORS"); // of the free loader
    return given == null ? "/etc/OpenCL/vendors" : given + " (OCL_ICD_VENDORS)";
  }

  private static @Nullable String load() {
    Configuration.OPENCL_EXPLICIT_INIT.set(true);
    // LWJGL prints advice where a library is missing; whoever asked is told in one line.
    Configuration.DEBUG_STREAM.set(
        new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
    boolean linux = System.getProperty("os.name", "").startsWith("Linux");
    String given = Configuration.OPENCL_LIBRARY_NAME.get(); // -Dorg.lwjgl.opencl.libname=…
    String[] names = given != null ? new String[] {given} : linux ? LINUX : new String[] {""};
    String why = "";
    for (String name : names) {
      try {
        if (name.isEmpty()) {
          CL.create();
        } else {
          CL.create(name);
        }
        return null;
      } catch (UnsatisfiedLinkError | RuntimeException e) {
        why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      } catch (ExceptionInInitializerError | NoClassDefFoundError e) {
        return "LWJGL does not start: " + e;
      }
    }
    return "no OpenCL loader: looked for " + String.join(", ", names)
        + " (the package ocl-icd-libopencl1 has it): " + why;
  }
}
