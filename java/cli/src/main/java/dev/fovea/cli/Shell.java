package dev.fovea.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What surrounds a command: its streams, its environment, and how to open a model.
 *
 * @param out results alone
 * @param err everything else
 * @param env environment variables
 * @param inTerminal somebody types
 * @param errTerminal somebody watches standard error
 */
record Shell(
    PrintStream out,
    PrintStream err,
    InputStream in,
    Map<String, String> env,
    boolean inTerminal,
    boolean errTerminal,
    Conversation.Opener opener) {

  /** The process's own. Text is UTF-8 whatever the locale says, as the answers may hold any character. */
  static Shell system() {
    return new Shell(
        stream(FileDescriptor.out),
        stream(FileDescriptor.err),
        new FileInputStream(FileDescriptor.in),
        System.getenv(),
        terminal(0),
        terminal(2),
        (model, options) -> OpenModel.open(model, options));
  }

  private static PrintStream stream(FileDescriptor to) {
    return new PrintStream(new FileOutputStream(to), true, StandardCharsets.UTF_8);
  }

  /** Whether a descriptor is a terminal: Linux says so of each, elsewhere input and output count together. */
  @SuppressWarnings("SystemConsoleNull") // declared nullable, whatever newer versions do
  private static boolean terminal(int descriptor) {
    Path link = Path.of("/proc/self/fd/" + descriptor);
    if (Files.isSymbolicLink(link)) {
      try {
        String target = Files.readSymbolicLink(link).toString();
        return target.startsWith("/dev/pts/")
            || target.startsWith("/dev/tty")
            || target.equals("/dev/console");
      } catch (IOException e) {
        return false;
      }
    }
    var console = System.console();
    return console != null && console.isTerminal();
  }

  /** A variable's value; null if unset or empty. */
  @Nullable
  String variable(String name) {
    String value = env.get(name);
    return value == null || value.isEmpty() ? null : value;
  }

  /** The folder that holds models/demo and samples. */
  Path home() {
    String home = variable("FOVEA_HOME");
    return Path.of(home == null ? "." : home);
  }
}
