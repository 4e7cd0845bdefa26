package dev.fovea.opencl;

import dev.fovea.error.BackendException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.lwjgl.PointerBuffer;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL11;
import org.lwjgl.system.MemoryStack;

/**
 * A device that a platform of this machine offers.
 *
 * @param index its place among all devices
 * @param driver the platform, the version of the device and that of its driver: what a built program depends on
 * @param units compute units
 * @param memory bytes that it has
 * @param largest bytes of the largest buffer
 * @param mostItems work-items of the largest group
 * @param shared whether its memory is the host's
 * @param processor whether it is a processor: few work-items, each with much to do
 * @param doubles whether it computes in binary64
 * @param exactDivision whether it can round quotients and roots correctly
 * @param problem why it is of no use; null if it is
 */
record Found(
    int index,
    long platform,
    long device,
    String name,
    String driver,
    long units,
    long memory,
    long largest,
    long mostItems,
    boolean shared,
    boolean processor,
    boolean doubles,
    boolean exactDivision,
    @Nullable String problem) {

  /** Every device of every platform. */
  static List<Found> all() {
    if (Loader.problem() != null) {
      throw new BackendException("OpenCL: " + Loader.problem());
    }
    List<Found> found = new ArrayList<>();
    try (MemoryStack stack = MemoryStack.stackPush()) {
      var count = stack.mallocInt(1);
      int status = CL10.clGetPlatformIDs(null, count);
      if (status != CL10.CL_SUCCESS || count.get(0) == 0) {
        return found; // the loader says so with a status of its own where there is no platform
      }
      PointerBuffer platforms = stack.mallocPointer(count.get(0));
      Cl.check(CL10.clGetPlatformIDs(platforms, (java.nio.IntBuffer) null), "listing platforms");
      for (int p = 0; p < platforms.capacity(); p++) {
        long platform = platforms.get(p);
        if (CL10.clGetDeviceIDs(platform, CL10.CL_DEVICE_TYPE_ALL, null, count) != CL10.CL_SUCCESS
            || count.get(0) == 0) {
          continue;
        }
        PointerBuffer devices = stack.mallocPointer(count.get(0));
        Cl.check(
            CL10.clGetDeviceIDs(
                platform, CL10.CL_DEVICE_TYPE_ALL, devices, (java.nio.IntBuffer) null),
            "listing devices");
        for (int d = 0; d < devices.capacity(); d++) {
          found.add(look(found.size(), platform, devices.get(d)));
        }
      }
    }
    return found;
  }

  private static Found look(int index, long platform, long device) {
    Cl.Query of = (property, to, size) -> to == null
        ? CL10.clGetDeviceInfo(device, property, (java.nio.ByteBuffer) null, size)
        : CL10.clGetDeviceInfo(device, property, to, size);
    Cl.Query ofPlatform =
        (property, to, size) -> CL10.clGetPlatformInfo(platform, property, to, size);
    String version = Cl.text(of, CL10.CL_DEVICE_VERSION);
    String extensions = Cl.text(of, CL10.CL_DEVICE_EXTENSIONS);
    long config = Cl.number(of, CL10.CL_DEVICE_SINGLE_FP_CONFIG, 0);
    String problem = null;
    if (Cl.number(of, CL10.CL_DEVICE_AVAILABLE, 0) == 0) {
      problem = "it is not available";
    } else if (Cl.number(of, CL10.CL_DEVICE_COMPILER_AVAILABLE, 0) == 0) {
      problem = "it has no compiler";
    } else if (version.startsWith("OpenCL 1.0") || version.startsWith("OpenCL 1.1")) {
      problem = "it has " + version + ", OpenCL 1.2 is needed";
    } else if (Cl.number(of, CL10.CL_DEVICE_ENDIAN_LITTLE, 0) == 0) {
      problem = "it is big-endian";
    }
    return new Found(
        index,
        platform,
        device,
        Cl.text(of, CL10.CL_DEVICE_NAME),
        Cl.text(ofPlatform, CL10.CL_PLATFORM_NAME) + ", " + version + ", driver "
            + Cl.text(of, CL10.CL_DRIVER_VERSION),
        Cl.number(of, CL10.CL_DEVICE_MAX_COMPUTE_UNITS, 1),
        Cl.number(of, CL10.CL_DEVICE_GLOBAL_MEM_SIZE, 0),
        Cl.number(of, CL10.CL_DEVICE_MAX_MEM_ALLOC_SIZE, 0),
        Cl.number(of, CL10.CL_DEVICE_MAX_WORK_GROUP_SIZE, 1),
        Cl.number(of, CL11.CL_DEVICE_HOST_UNIFIED_MEMORY, 0) != 0,
        (Cl.number(of, CL10.CL_DEVICE_TYPE, 0) & CL10.CL_DEVICE_TYPE_CPU) != 0,
        (" " + extensions + " ").contains(" cl_khr_fp64 "),
        (config & 1 << 7) != 0, // CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT
        problem);
  }

  /** Whether {@code name} is its index, or part of its name in any case. */
  boolean is(String name) {
    return name.equals(Integer.toString(index))
        || this.name.toLowerCase(Locale.ROOT).contains(name.toLowerCase(Locale.ROOT));
  }

  /** In one line. */
  String line() {
    return String.format(
        Locale.ROOT,
        "device %d: %s (%s), %d units, %.1f GiB memory%s%s",
        index,
        name,
        driver,
        units,
        memory / 1073741824.0,
        shared
            ? " that is the host's: weights stay where they are"
            : " of its own: weights are copied",
        problem == null ? "" : ": not usable, " + problem);
  }

  /**
   * The device of that name among those found; the first that is usable, processors last, if none is named.
   *
   * @throws BackendException if there is none, or it is not usable
   */
  static Found choose(List<Found> all, @Nullable String name) {
    if (name != null) {
      for (Found f : all) {
        if (f.is(name)) {
          if (f.problem != null) {
            throw new BackendException(
                "OpenCL device " + f.index + ", " + f.name + ": " + f.problem);
          }
          return f;
        }
      }
      throw new BackendException("no OpenCL device '" + name + "': there are "
          + all.stream().map(f -> f.index + " (" + f.name + ")").toList());
    }
    Found first = null;
    for (Found f : all) {
      if (f.problem == null && (first == null || (first.processor && !f.processor))) {
        first = f;
      }
    }
    if (first == null) {
      throw new BackendException("no OpenCL device is usable: " + why(all));
    }
    return first;
  }

  /** Why none of them is usable. */
  static String why(List<Found> all) {
    return all.isEmpty()
        ? "no platform offers a device: looked for drivers in " + Loader.vendors()
            + " (the package pocl-opencl-icd makes one of the processor)"
        : String.join("; ", all.stream().map(f -> f.name + ": " + f.problem).toList());
  }
}
