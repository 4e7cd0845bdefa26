package dev.fovea.backend;

import dev.fovea.error.InputException;
import org.jspecify.annotations.Nullable;

/**
 * How to open a device.
 *
 * @param threads threads to compute with, 0 for as many as the process may use
 * @param tier highest instruction set to use, e.g. {@code avx2}; null for the best there is. An unknown one is refused.
 * @param device which of a backend's devices: its index, or a part of its name; null for the backend's choice
 */
public record DeviceOptions(
    int threads, @Nullable String tier, @Nullable String device) {
  public static final DeviceOptions DEFAULT = new DeviceOptions(0, null);

  /** Of a backend that has one device, or the one that it chooses. */
  public DeviceOptions(int threads, @Nullable String tier) {
    this(threads, tier, null);
  }

  /** For a backend that has but one device: refuses a choice. */
  public void refuseDevice(String backend) {
    if (device != null) {
      throw new InputException("the " + backend + " backend has no devices to choose from, '"
          + device + "' was asked for");
    }
  }
}
