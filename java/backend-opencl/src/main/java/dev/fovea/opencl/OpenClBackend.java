package dev.fovea.opencl;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Runs programs on OpenCL 1.2 devices and newer: GPUs of any maker, and processors through PoCL. */
public final class OpenClBackend implements Backend {

  @Override
  public String name() {
    return "opencl";
  }

  @Override
  public @Nullable String unavailable() {
    String problem = Loader.problem();
    if (problem != null) {
      return problem;
    }
    List<Found> all = Found.all();
    return all.stream().anyMatch(f -> f.problem() == null) ? null : Found.why(all);
  }

  @Override
  public List<String> notes() {
    return Loader.problem() == null ? Found.all().stream().map(Found::line).toList() : List.of();
  }

  @Override
  public OptionalLong live() {
    return OptionalLong.of(Cl.live());
  }

  /**
   * Opens a device: the one named, or the first that is no processor, or the first.
   *
   * @throws BackendException if there is no OpenCL loader, no such device, or it is of no use
   * @throws InputException if the options name a tier: a device's features are looked up
   */
  @Override
  public Device open(DeviceOptions options) {
    String problem = Loader.problem();
    if (problem != null) {
      throw new BackendException("the opencl backend cannot run: " + problem);
    }
    if (options.tier() != null) {
      throw new InputException(
          "the opencl backend has no tiers; it was asked for " + options.tier());
    }
    return new OpenClDevice(Found.choose(Found.all(), options.device()));
  }
}
