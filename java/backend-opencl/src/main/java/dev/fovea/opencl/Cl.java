package dev.fovea.opencl;

import dev.fovea.error.BackendException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.lwjgl.PointerBuffer;
import org.lwjgl.opencl.CL10;
import org.lwjgl.opencl.CL12;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.system.MemoryUtil;

/** OpenCL's calls with their statuses checked, and a count of the objects that are open. */
final class Cl {
  private static final AtomicLong LIVE = new AtomicLong();

  private Cl() {}

  /** Contexts, queues, buffers, programs, kernels and events made and not released. */
  static long live() {
    return LIVE.get();
  }

  /** Throws what a status that is not success means. */
  static void check(int status, String what) {
    if (status != CL10.CL_SUCCESS) {
      throw new BackendException("OpenCL: " + what + ": " + name(status));
    }
  }

  private static String name(int status) {
    return switch (status) {
      case -1 -> "the device was not found";
      case -2 -> "the device is not available";
      case -4 -> "the device has no memory left for it";
      case -5 -> "the device is out of resources";
      case -6 -> "the host is out of memory";
      case -11 -> "the program does not build";
      case -14 -> "work enqueued before it failed";
      case -46 -> "the program has no such kernel";
      case -52 -> "an argument of the kernel is not set";
      case -54 -> "a group of that size cannot run";
      case -61 -> "no buffer may be that large";
      default -> "status " + status;
    };
  }

  private static long made(long handle, IntBuffer status, String what) {
    check(status.get(0), what);
    LIVE.incrementAndGet();
    return handle;
  }

  static long context(long platform, long device) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer status = stack.mallocInt(1);
      PointerBuffer properties = stack.pointers(CL10.CL_CONTEXT_PLATFORM, platform, 0L);
      long context = CL10.clCreateContext(properties, stack.pointers(device), null, 0, status);
      return made(context, status, "opening a context");
    }
  }

  static long queue(long context, long device, boolean profiling) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer status = stack.mallocInt(1);
      long queue = CL10.clCreateCommandQueue(
          context, device, profiling ? CL10.CL_QUEUE_PROFILING_ENABLE : 0, status);
      return made(queue, status, "opening a queue");
    }
  }

  /**
   * A buffer.
   *
   * @param host memory to use where it lies, 0 for memory of the device
   */
  static long buffer(long context, long flags, long bytes, long host) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer status = stack.mallocInt(1);
      long buffer =
          CL10.nclCreateBuffer(context, flags, bytes, host, MemoryUtil.memAddress(status));
      return made(buffer, status, "a buffer of " + bytes + " bytes");
    }
  }

  /** A program that is built; throws with the compiler's words if it cannot be. */
  static long program(long context, long device, String name, String source, String options) {
    long program;
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer status = stack.mallocInt(1);
      program = made(
          CL10.clCreateProgramWithSource(context, source, status), status, "the program " + name);
    }
    int status = CL10.clBuildProgram(program, device, options, null, 0);
    if (status != CL10.CL_SUCCESS) {
      String log = log(program, device);
      releaseProgram(program);
      throw new BackendException("OpenCL: " + name + " (" + options + ") does not build: " + log);
    }
    return program;
  }

  private static String log(long program, long device) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      PointerBuffer size = stack.mallocPointer(1);
      check(
          CL10.clGetProgramBuildInfo(
              program, device, CL10.CL_PROGRAM_BUILD_LOG, (ByteBuffer) null, size),
          "the compiler's log");
      ByteBuffer text = MemoryUtil.memAlloc(Math.toIntExact(Math.max(1, size.get(0))));
      try {
        check(
            CL10.clGetProgramBuildInfo(program, device, CL10.CL_PROGRAM_BUILD_LOG, text, null),
            "the compiler's log");
        return MemoryUtil.memUTF8(text).replace("\0", "").strip();
      } finally {
        MemoryUtil.memFree(text);
      }
    }
  }

  /** A program from what {@link #binary} gave; 0 if the driver does not want it any more. */
  static long program(long context, long device, byte[] binary) {
    ByteBuffer bytes = MemoryUtil.memAlloc(binary.length);
    try (MemoryStack stack = MemoryStack.stackPush()) {
      bytes.put(binary).flip();
      IntBuffer taken = stack.mallocInt(1);
      IntBuffer status = stack.mallocInt(1);
      long program = CL10.clCreateProgramWithBinary(
          context, stack.pointers(device), new ByteBuffer[] {bytes}, taken, status);
      if (status.get(0) != CL10.CL_SUCCESS) {
        return 0;
      }
      LIVE.incrementAndGet();
      if (taken.get(0) != CL10.CL_SUCCESS
          || CL10.clBuildProgram(program, device, "", null, 0) != CL10.CL_SUCCESS) {
        releaseProgram(program);
        return 0;
      }
      return program;
    } finally {
      MemoryUtil.memFree(bytes);
    }
  }

  /** What the driver made of a program of one device; empty if it does not say. */
  static byte[] binary(long program) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      PointerBuffer size = stack.mallocPointer(1);
      int status = CL10.clGetProgramInfo(program, CL10.CL_PROGRAM_BINARY_SIZES, size, null);
      if (status != CL10.CL_SUCCESS || size.get(0) <= 0 || size.get(0) > 1 << 28) {
        return new byte[0];
      }
      ByteBuffer bytes = MemoryUtil.memAlloc((int) size.get(0));
      try {
        PointerBuffer to = stack.pointers(bytes);
        if (CL10.clGetProgramInfo(program, CL10.CL_PROGRAM_BINARIES, to, null) != CL10.CL_SUCCESS) {
          return new byte[0];
        }
        byte[] binary = new byte[bytes.remaining()];
        bytes.get(binary);
        return binary;
      } finally {
        MemoryUtil.memFree(bytes);
      }
    }
  }

  static long kernel(long program, String name) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      IntBuffer status = stack.mallocInt(1);
      return made(CL10.clCreateKernel(program, name, status), status, "the kernel " + name);
    }
  }

  /** Sets an argument; 0 for a buffer that is absent. */
  static void argument(long kernel, int index, long bytes, long address) {
    check(CL10.nclSetKernelArg(kernel, index, bytes, address), "argument " + index);
  }

  /** Enqueues a kernel on items in groups; the three address three numbers each. */
  static void enqueue(long queue, long kernel, long items, long groups, long event) {
    int status = CL10.nclEnqueueNDRangeKernel(queue, kernel, 3, 0, items, groups, 0, 0, event);
    if (status != CL10.CL_SUCCESS) {
      check(status, "running a kernel");
    }
    if (event != 0) {
      LIVE.incrementAndGet();
    }
  }

  /** Copies to the device, waiting for it or not; the host's memory must stay as it is until it is done. */
  static void write(
      long queue, long buffer, boolean wait, long offset, MemorySegment from, long event) {
    check(
        CL10.nclEnqueueWriteBuffer(
            queue, buffer, wait ? 1 : 0, offset, from.byteSize(), from.address(), 0, 0, event),
        "copying to the device");
    if (event != 0) {
      LIVE.incrementAndGet();
    }
  }

  static void read(
      long queue, long buffer, boolean wait, long offset, MemorySegment to, long event) {
    check(
        CL10.nclEnqueueReadBuffer(
            queue, buffer, wait ? 1 : 0, offset, to.byteSize(), to.address(), 0, 0, event),
        "copying from the device");
    if (event != 0) {
      LIVE.incrementAndGet();
    }
  }

  static void copy(long queue, long from, long to, long fromOffset, long toOffset, long bytes) {
    check(
        CL10.clEnqueueCopyBuffer(queue, from, to, fromOffset, toOffset, bytes, null, null),
        "copying on the device");
  }

  static void zero(long queue, long buffer, long bytes) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      check(
          CL12.clEnqueueFillBuffer(queue, buffer, stack.bytes((byte) 0), 0, bytes, null, null),
          "clearing memory");
    }
  }

  static void flush(long queue) {
    check(CL10.clFlush(queue), "starting");
  }

  static void finish(long queue) {
    check(CL10.clFinish(queue), "waiting");
  }

  static void await(long event) {
    check(CL10.clWaitForEvents(event), "waiting");
  }

  /** Nanoseconds between the start and the end of what an event stands for, by the device's clock; its queue must keep time. */
  static long nanos(long event) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      LongBuffer start = stack.mallocLong(1);
      LongBuffer end = stack.mallocLong(1);
      check(
          CL10.clGetEventProfilingInfo(event, CL10.CL_PROFILING_COMMAND_START, start, null),
          "the time of a start");
      check(
          CL10.clGetEventProfilingInfo(event, CL10.CL_PROFILING_COMMAND_END, end, null),
          "the time of an end");
      return end.get(0) - start.get(0);
    }
  }

  static void releaseEvent(long event) {
    release(CL10.clReleaseEvent(event));
  }

  static void releaseKernel(long kernel) {
    release(CL10.clReleaseKernel(kernel));
  }

  static void releaseProgram(long program) {
    release(CL10.clReleaseProgram(program));
  }

  static void releaseBuffer(long buffer) {
    release(CL10.clReleaseMemObject(buffer));
  }

  static void releaseQueue(long queue) {
    release(CL10.clReleaseCommandQueue(queue));
  }

  static void releaseContext(long context) {
    release(CL10.clReleaseContext(context));
  }

  private static void release(int status) {
    LIVE.decrementAndGet();
    check(status, "releasing");
  }

  /** A property that is text. */
  static String text(Query query, int property) {
    byte[] bytes = bytes(query, property);
    return bytes == null
        ? ""
        : new String(bytes, java.nio.charset.StandardCharsets.UTF_8)
            .replace("\0", "")
            .strip();
  }

  /** A property that is a number of 4 or 8 bytes; the default if the driver does not know it. */
  static long number(Query query, int property, long otherwise) {
    byte[] bytes = bytes(query, property);
    if (bytes == null) {
      return otherwise;
    }
    ByteBuffer b = ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.nativeOrder());
    return bytes.length == 4
        ? b.getInt() & 0xffffffffL
        : bytes.length == 8 ? b.getLong() : otherwise;
  }

  /** {@code clGetDeviceInfo} of a device, or its like. */
  @FunctionalInterface
  interface Query {
    int get(int property, @Nullable ByteBuffer to, @Nullable PointerBuffer size);
  }

  private static byte @Nullable [] bytes(Query query, int property) {
    try (MemoryStack stack = MemoryStack.stackPush()) {
      PointerBuffer size = stack.mallocPointer(1);
      if (query.get(property, null, size) != CL10.CL_SUCCESS
          || size.get(0) <= 0
          || size.get(0) > 16_384) {
        return null;
      }
      ByteBuffer to = stack.malloc((int) size.get(0));
      if (query.get(property, to, null) != CL10.CL_SUCCESS) {
        return null;
      }
      byte[] bytes = new byte[to.remaining()];
      to.get(bytes);
      return bytes;
    }
  }
}
