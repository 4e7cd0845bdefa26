package dev.fovea.cuda;

import static jcuda.driver.JCudaDriver.CU_MEMHOSTALLOC_PORTABLE;

import dev.fovea.error.BackendException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/** A GPU through JCuda: its primary context, which other libraries of the process share, and one stream. */
final class GpuDriver implements Driver {

  /** Device memory, or a place in it. */
  private static final class DevicePlace extends CUdeviceptr implements Place {
    DevicePlace() {}

    /** JCuda takes the sum of a pointer and an offset for the address. */
    DevicePlace(CUdeviceptr base, long offset) {
      super(base, offset);
    }

    @Override
    public long address() {
      return getNativePointer() + getByteOffset();
    }
  }

  /** Pinned memory of the host, or a place in it. */
  private static final class HostPlace extends Pointer implements Place {
    HostPlace() {}

    HostPlace(Pointer base, long offset) {
      super(base, offset);
    }

    @Override
    public long address() {
      return getNativePointer() + getByteOffset();
    }
  }

  private static final class Stream extends CUstream {
    long address() {
      return getNativePointer();
    }
  }

  private static final class Event extends CUevent implements Mark {}

  private static final class Replay extends CUgraphExec implements Graph {}

  /** JCuda's native part, loaded once; or why it cannot be used. */
  private static final class Loaded {
    static final @Nullable String PROBLEM = load();

    private static @Nullable String load() {
      String problem =
          JCudaNatives.load("JCudaDriver", () -> JCudaDriver.setExceptionsEnabled(false));
      if (problem != null) {
        return problem;
      }
      int result = JCudaDriver.cuInit(0);
      return result == CUresult.CUDA_SUCCESS ? null : "the NVIDIA driver says " + text(result);
    }
  }

  private static String text(int result) {
    return CUresult.stringFor(result);
  }

  private static void check(int result, String what) {
    if (result != CUresult.CUDA_SUCCESS) {
      throw new BackendException("the GPU: " + what + ": " + text(result));
    }
  }

  /** Why no GPU can be used; null if one can. */
  static @Nullable String problem() {
    if (Loaded.PROBLEM != null) {
      return Loaded.PROBLEM;
    }
    int[] count = new int[1];
    int result = JCudaDriver.cuDeviceGetCount(count);
    if (result != CUresult.CUDA_SUCCESS || count[0] == 0) {
      return "the NVIDIA driver finds no device"
          + (result == CUresult.CUDA_SUCCESS ? "" : ": " + text(result));
    }
    int capability = capability(device(0));
    return capability >= 80
        ? null
        : name(device(0)) + " has compute capability " + capability / 10 + "." + capability % 10
            + "; 8.0 is needed";
  }

  /** A line for each device. */
  static List<String> notes() {
    List<String> lines = new ArrayList<>();
    int[] count = new int[1];
    check(JCudaDriver.cuDeviceGetCount(count), "counting devices");
    for (int i = 0; i < count[0]; i++) {
      lines.add("device " + i + ": " + describe(device(i)));
    }
    return lines;
  }

  private static CUdevice device(int index) {
    CUdevice device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, index), "device " + index);
    return device;
  }

  private static String name(CUdevice device) {
    byte[] name = new byte[256];
    check(JCudaDriver.cuDeviceGetName(name, name.length, device), "a device's name");
    int end = 0;
    while (end < name.length && name[end] != 0) {
      end++;
    }
    return new String(name, 0, end, StandardCharsets.UTF_8);
  }

  private static int attribute(CUdevice device, int attribute) {
    int[] value = new int[1];
    check(JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "an attribute");
    return value[0];
  }

  private static int capability(CUdevice device) {
    return 10 * attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
        + attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  }

  private static String describe(CUdevice device) {
    long[] memory = new long[1];
    check(JCudaDriver.cuDeviceTotalMem(memory, device), "a device's memory");
    int[] version = new int[1];
    check(JCudaDriver.cuDriverGetVersion(version), "the driver's version");
    int capability = capability(device);
    return String.format(
        Locale.ROOT,
        "%s, %.1f GiB, compute capability %d.%d, driver for CUDA %d.%d",
        name(device),
        memory[0] / (double) (1 << 30),
        capability / 10,
        capability % 10,
        version[0] / 1000,
        version[0] % 1000 / 10);
  }

  private final CUdevice device;
  private final String description;
  private final int capability;
  private final CUcontext context = new CUcontext();
  private final Stream stream = new Stream();
  private final Arena own = Arena.ofShared();
  private @Nullable DevicePlace workspace;
  private @Nullable Cublas cublas;
  private @Nullable String cublasProblem;
  private long gemm;
  private boolean closed;

  GpuDriver(int index) {
    if (Loaded.PROBLEM != null) {
      throw new BackendException(Loaded.PROBLEM);
    }
    device = device(index);
    description = describe(device);
    capability = capability(device);
    check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "its primary context");
    enter();
    check(
        JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
        "making a stream");
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public int capability() {
    return capability;
  }

  @Override
  public boolean asynchronous() {
    return true;
  }

  @Override
  public void enter() {
    if (closed) {
      throw new BackendException("the GPU is closed");
    }
    check(JCudaDriver.cuCtxSetCurrent(context), "making its context current");
  }

  @Override
  public Place allocate(long bytes) {
    DevicePlace memory = new DevicePlace();
    int result = JCudaDriver.cuMemAlloc(memory, bytes);
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      long[] free = new long[1];
      long[] total = new long[1];
      check(JCudaDriver.cuMemGetInfo(free, total), "its memory");
      throw new BackendException("the GPU has no memory for " + bytes + " bytes: " + free[0]
          + " of " + total[0] + " are free");
    }
    check(result, "allocating " + bytes + " bytes");
    return memory;
  }

  @Override
  public void free(Place memory) {
    check(JCudaDriver.cuMemFree((DevicePlace) memory), "freeing memory");
  }

  @Override
  public Place pin(long bytes) {
    HostPlace memory = new HostPlace();
    check(
        JCudaDriver.cuMemHostAlloc(memory, bytes, CU_MEMHOSTALLOC_PORTABLE),
        "pinning " + bytes + " bytes of the host's memory");
    return memory;
  }

  @Override
  public void unpin(Place memory) {
    check(JCudaDriver.cuMemFreeHost((HostPlace) memory), "freeing pinned memory");
  }

  @Override
  public Place at(Place memory, long offset) {
    return switch (memory) {
      case DevicePlace d -> new DevicePlace(d, offset);
      case HostPlace h -> new HostPlace(h, offset);
      default -> throw new IllegalArgumentException(memory.toString());
    };
  }

  @Override
  public void toDevice(Place to, Place pinned, long bytes) {
    check(
        JCudaDriver.cuMemcpyHtoDAsync((DevicePlace) to, (HostPlace) pinned, bytes, stream),
        "copying to it");
  }

  @Override
  public void toHost(Place pinned, Place from, long bytes) {
    check(
        JCudaDriver.cuMemcpyDtoHAsync((HostPlace) pinned, (DevicePlace) from, bytes, stream),
        "copying from it");
  }

  @Override
  public void within(Place to, Place from, long bytes) {
    check(
        JCudaDriver.cuMemcpyDtoDAsync((DevicePlace) to, (DevicePlace) from, bytes, stream),
        "copying on it");
  }

  @Override
  public void zero(Place to, long bytes) {
    check(JCudaDriver.cuMemsetD8Async((DevicePlace) to, (byte) 0, bytes, stream), "zeroing memory");
  }

  @Override
  public long stream() {
    return stream.address();
  }

  @Override
  public long gemm() {
    if (cublas == null && cublasProblem == null) {
      cublasProblem = Cublas.problem();
      try {
        if (cublasProblem == null) {
          DevicePlace memory = (DevicePlace) allocate(Cublas.WORKSPACE_BYTES);
          workspace = memory;
          cublas = new Cublas(stream, memory);
          gemm = Library.callable(cublas, own);
        }
      } catch (BackendException e) {
        cublasProblem = e.getMessage();
      }
    }
    return gemm;
  }

  @Override
  public String gemmNote() {
    return gemm() != 0 ? Cublas.version() : "there is no cuBLAS: " + cublasProblem;
  }

  @Override
  public Mark mark() {
    Event event = new Event();
    check(
        JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "making an event");
    return event;
  }

  @Override
  public void free(Mark mark) {
    check(JCudaDriver.cuEventDestroy((Event) mark), "destroying an event");
  }

  @Override
  public void record(Mark mark) {
    check(JCudaDriver.cuEventRecord((Event) mark, stream), "recording an event");
  }

  @Override
  public void await(Mark mark) {
    check(JCudaDriver.cuEventSynchronize((Event) mark), "waiting for a copy");
  }

  @Override
  public void beginCapture() {
    // Only this thread's unsafe calls end the capture: others may go on using the device.
    check(
        JCudaDriver.cuStreamBeginCapture(
            stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "beginning a capture");
  }

  @Override
  public Graph endCapture() {
    CUgraph recorded = new CUgraph();
    check(JCudaDriver.cuStreamEndCapture(stream, recorded), "ending a capture");
    Replay graph = new Replay();
    try {
      check(JCudaDriver.cuGraphInstantiate(graph, recorded, 0), "making a graph");
    } finally {
      check(JCudaDriver.cuGraphDestroy(recorded), "destroying a recording");
    }
    return graph;
  }

  @Override
  public void launch(Graph graph) {
    check(JCudaDriver.cuGraphLaunch((Replay) graph, stream), "launching a graph");
  }

  @Override
  public void free(Graph graph) {
    check(JCudaDriver.cuGraphExecDestroy((Replay) graph), "destroying a graph");
  }

  @Override
  public void synchronize() {
    check(JCudaDriver.cuStreamSynchronize(stream), "running");
  }

  @Override
  public void close() {
    if (!closed) {
      enter();
      closed = true;
      if (cublas != null) {
        cublas.close();
      }
      if (workspace != null) {
        free(workspace);
      }
      own.close();
      check(JCudaDriver.cuStreamDestroy(stream), "destroying its stream");
      check(JCudaDriver.cuDevicePrimaryCtxRelease(device), "releasing its context");
    }
  }
}
