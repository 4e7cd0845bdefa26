package dev.fovea.cpu;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Runs programs on the processor's vector units, on threads of its own. */
public final class CpuBackend implements Backend {

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public @Nullable String unavailable() {
    return Library.problem();
  }

  @Override
  public OptionalLong live() {
    return Library.problem() == null ? OptionalLong.of(Library.live()) : OptionalLong.empty();
  }

  /**
   * Opens the processor as a device.
   *
   * @throws InputException if the options name an unknown tier or a senseless thread count
   * @throws BackendException if this machine lacks the tier, or the native library cannot be loaded
   */
  @Override
  public Device open(DeviceOptions options) {
    options.refuseDevice(name());
    String problem = Library.problem();
    if (problem != null) {
      throw new BackendException("the cpu backend cannot run: " + problem);
    }
    if (options.threads() < 0 || options.threads() > 256) {
      throw InputException.mismatch(
          "threads", "0 (as many as there are cores) to 256", options.threads());
    }
    Tier best = Tier.of(Library.bestTier());
    Tier tier = options.tier() == null ? best : Tier.parse(options.tier());
    if (!best.includes(tier)) {
      throw new BackendException(
          "this machine has no " + tier.label() + ": its best tier is " + best.label());
    }
    return new CpuDevice(options.threads() == 0 ? Cores.usable() : options.threads(), tier);
  }
}
