package dev.fovea.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Where a chat's lines come from. */
interface Lines extends AutoCloseable {

  /** The next line; null at the end; empty if the typist gave it up with ctrl-C. */
  @Nullable
  String next(String prompt) throws IOException;

  /** What ctrl-C shall do from now on, as far as this source sees it. */
  default void onInterrupt(Runnable action) {}

  @Override
  default void close() throws IOException {}

  /** Lines of a pipe or file. */
  static Lines of(InputStream in) {
    BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    return prompt -> reader.readLine();
  }
}
