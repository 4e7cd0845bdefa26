package dev.fovea.backend;

import org.jspecify.annotations.Nullable;

/**
 * How to open a device.
 *
 * @param threads threads to compute with, 0 for as many as the process may use
 * @param tier highest instruction set to use, e.g. {@code avx2}; null for the best there is. An unknown one is refused.
 */
public record DeviceOptions(int threads, @Nullable String tier) {
  public static final DeviceOptions DEFAULT = new DeviceOptions(0, null);
}
