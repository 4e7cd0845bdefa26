package dev.fovea.cuda;

import dev.fovea.binding.NativeLibrary;
import dev.fovea.error.BackendException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * JCuda's native parts, each loaded once. JCuda looks for a library on java.library.path, then for a file of a fixed name in
 * java.io.tmpdir, which anybody may have put there. It is shown the folder that only this build's own file is in.
 */
final class JCudaNatives {
  private static final String VERSION = "12.6.0";

  private JCudaNatives() {}

  /**
   * Makes the first use of a class of JCuda.
   *
   * @param name of its library: {@code JCudaDriver}
   * @return why it cannot be loaded, in one line; null if it is
   */
  static synchronized @Nullable String load(String name, Runnable firstUse) {
    String temporary = System.getProperty("java.io.tmpdir");
    try {
      Path file = NativeLibrary.file(
          JCudaNatives.class, name + "-" + VERSION + "-" + NativeLibrary.system());
      System.setProperty("java.io.tmpdir", String.valueOf(file.getParent()));
      firstUse.run();
      return null;
    } catch (LinkageError | BackendException e) {
      return name + " cannot be loaded: "
          + String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    } finally {
      System.setProperty("java.io.tmpdir", temporary);
    }
  }
}
