package dev.fovea.reference;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.InputException;
import org.jspecify.annotations.Nullable;

/** Runs each op's definition. Slow, obviously right, and what every other backend is compared with. */
public final class ReferenceBackend implements Backend {

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public @Nullable String unavailable() {
    return null;
  }

  @Override
  public Device open(DeviceOptions options) {
    options.refuseDevice(name());
    if (options.tier() != null) {
      throw InputException.mismatch(
          "tier", "none: the reference has no instruction sets", options.tier());
    }
    return new ReferenceDevice();
  }
}
