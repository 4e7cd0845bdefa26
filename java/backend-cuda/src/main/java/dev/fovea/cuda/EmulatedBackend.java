package dev.fovea.cuda;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Runs the cuda backend's kernels and launchers on the processor, thread by thread, holding them to a device's rules: for checking, on a
 * machine without a GPU. {@code -Dfovea.emulator.seed=N} chooses another order of threads.
 */
public final class EmulatedBackend implements Backend {
  /** Enough for kernels to divide their work, few enough to be quick. */
  private static final int MULTIPROCESSORS = 8;

  @Override
  public String name() {
    return "cuda-emulated";
  }

  @Override
  public @Nullable String unavailable() {
    if (!NativeLibrary.exists(EmulatedBackend.class, "fovea_cuda_emulated")
        && System.getProperty("fovea.native.cuda-emulated") == null) {
      return "this build has no emulator for " + NativeLibrary.system();
    }
    try {
      Library.emulated();
      return null;
    } catch (BackendException e) {
      return e.getMessage();
    }
  }

  @Override
  public List<String> notes() {
    Switches given = Switches.given();
    return unavailable() == null && given.persistent() ? List.of(given.decoding()) : List.of();
  }

  @Override
  public OptionalLong live() {
    return unavailable() == null ? OptionalLong.of(EmulatorDriver.live()) : OptionalLong.empty();
  }

  /**
   * Opens the emulated device.
   *
   * @throws dev.fovea.error.InputException if the options name an unknown compute capability
   * @throws BackendException if this build has no emulator
   */
  @Override
  public Device open(DeviceOptions options) {
    options.refuseDevice(name());
    return emulate(options, Switches.given());
  }

  /** Kernels launched on the emulated device since it was opened, for tests that count. */
  public static long launches() {
    return EmulatorDriver.launches();
  }

  /** Opens the emulated device with switches of its own, whatever the system properties say. */
  public static Device open(DeviceOptions options, Switches switches) {
    return emulate(options, switches);
  }

  static CudaDevice emulate(DeviceOptions options, Switches switches) {
    int capability = options.tier() == null ? 90 : CudaBackend.capability(options.tier());
    Driver driver =
        new EmulatorDriver(Long.getLong("fovea.emulator.seed", 1), capability, MULTIPROCESSORS);
    try {
      return new CudaDevice(
          "cuda-emulated", driver, Library.emulated(), capability, switches, new KernelTimes(null));
    } catch (BackendException e) {
      driver.close();
      throw e;
    }
  }
}
