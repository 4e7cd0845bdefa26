package dev.fovea.cuda;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs programs on NVIDIA GPUs of compute capability 8.0 and up. The first device; {@code CUDA_VISIBLE_DEVICES} says which that is. */
public final class CudaBackend implements Backend {
  /** In the cache folder: how long kernels take, by device. */
  private static final String TIMES = "cuda-kernel-times.tsv";

  private static final List<String> CAPABILITIES = List.of("80", "86", "89", "90", "100", "120");

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public @Nullable String unavailable() {
    if (!NativeLibrary.exists(CudaBackend.class, "fovea_cuda")) {
      return "this build has no CUDA kernels: it was made without nvcc 12.8 or newer, or not on Linux";
    }
    if (!Library.isThere("libcuda.so.1")) {
      return "no NVIDIA driver: libcuda.so.1 cannot be loaded";
    }
    try {
      Library.real();
      return GpuDriver.problem();
    } catch (BackendException e) {
      return e.getMessage();
    }
  }

  @Override
  public List<String> notes() {
    if (unavailable() != null) {
      return List.of();
    }
    List<String> notes = new ArrayList<>(GpuDriver.notes());
    String problem = Cublas.problem();
    notes.add(
        problem == null
            ? Cublas.version() + ", for dense linear maps where it is faster"
            : "no cuBLAS, which may be faster for dense linear maps: " + problem);
    notes.add(Switches.given().decoding());
    return notes;
  }

  /**
   * Opens the first GPU.
   *
   * @throws InputException if the options name an unknown compute capability
   * @throws BackendException if this build has no CUDA kernels, or this machine no driver or no device that runs them
   */
  @Override
  public Device open(DeviceOptions options) {
    options.refuseDevice(name());
    String problem = unavailable();
    if (problem != null) {
      throw new BackendException("the cuda backend cannot run: " + problem);
    }
    int most = options.tier() == null ? Integer.MAX_VALUE : capability(options.tier());
    Driver driver = new GpuDriver(0);
    try {
      return new CudaDevice(
          name(),
          driver,
          Library.real(),
          Math.min(most, driver.capability()),
          Switches.given(),
          new KernelTimes(NativeLibrary.cacheFolder().resolve(TIMES)));
    } catch (BackendException e) {
      driver.close();
      throw e;
    }
  }

  /** A tier of this backend is a compute capability. */
  static int capability(String tier) {
    if (!CAPABILITIES.contains(tier)) {
      throw new InputException(
          "unknown compute capability '" + tier + "': expected one of " + CAPABILITIES);
    }
    return Integer.parseInt(tier);
  }
}
