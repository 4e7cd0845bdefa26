package dev.fovea.cli;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jline.utils.Signals;

/**
 * How an operator ends a process that serves. The first signal asks it to end when it has done what it began; the second ends it at once. The
 * JVM by itself would begin its shutdown at the first and be deaf to the second.
 */
final class Termination {
  /** POSIX's numbers; a shell shows 128 more for a process that a signal ended. */
  private static final Map<String, Integer> SIGNALS = Map.of("HUP", 1, "INT", 2, "TERM", 15);

  private static final int BY_SIGNAL = 128;

  private final Shell shell;
  private final CompletableFuture<Integer> asked = new CompletableFuture<>();

  private Termination(Shell shell) {
    this.shell = shell;
  }

  /** Listens from now on. */
  static Termination of(Shell shell) {
    Termination termination = new Termination(shell);
    SIGNALS.forEach((name, number) ->
        Signals.register(name, () -> termination.signalled(name, BY_SIGNAL + number)));
    return termination;
  }

  private void signalled(String name, int status) {
    if (asked.complete(status)) {
      shell.err().println("fovea: SIG" + name + ": ending after the answers that were begun");
    } else {
      shell.err().println("fovea: SIG" + name + ": ended at once");
      shell.err().flush();
      Runtime.getRuntime().halt(status);
    }
  }

  /** Done when the process is asked to end, with the exit status of one that does not finish its work: 143 for SIGTERM, 130 for ctrl-C. */
  CompletableFuture<Integer> asked() {
    return asked;
  }
}
