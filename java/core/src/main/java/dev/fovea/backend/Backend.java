package dev.fovea.backend;

import dev.fovea.error.BackendException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;

/** A way to run programs: {@code reference}, {@code cpu}, … Found by {@link ServiceLoader}. */
public interface Backend {

  String name();

  /** Why this backend cannot run on this machine, in one line; null if it can. */
  @Nullable
  String unavailable();

  /** What else a person looking for trouble may want to know, one line each. */
  default List<String> notes() {
    return List.of();
  }

  /** Opens a device; throws {@link BackendException} if the backend is unavailable. The caller closes it. */
  Device open(DeviceOptions options);

  /** How many native objects (contexts, blocks of memory) are open, over all its devices; empty if it does not count them. */
  default OptionalLong live() {
    return OptionalLong.empty();
  }

  /** All backends on the class path, in a fixed order. */
  static List<Backend> all() {
    List<Backend> found = new ArrayList<>();
    ServiceLoader.load(Backend.class).forEach(found::add);
    found.sort((a, b) -> a.name().compareTo(b.name()));
    return found;
  }

  /** The backend of that name; refuses an unknown one with the names there are. */
  static Backend named(String name) {
    for (Backend b : all()) {
      if (b.name().equals(name)) {
        return b;
      }
    }
    throw new BackendException("no backend '" + name + "': this build has "
        + all().stream().map(Backend::name).toList());
  }
}
