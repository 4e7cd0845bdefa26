package dev.fovea.cli;

import java.util.Locale;

/** A bar on standard error while somebody watches; silent otherwise. */
final class Progress {
  private static final int WIDTH = 30;
  private static final long EVERY_NANOS = 100_000_000;

  private final Shell shell;
  private long last;
  private boolean drawn;

  Progress(Shell shell) {
    this.shell = shell;
  }

  void at(long done, long total, String what) {
    long now = System.nanoTime();
    if (!shell.errTerminal() || (drawn && done < total && now - last < EVERY_NANOS)) {
      return;
    }
    last = now;
    drawn = true;
    int filled = total <= 0 ? WIDTH : (int) (WIDTH * done / total);
    String label = what.length() > 34 ? "…" + what.substring(what.length() - 33) : what;
    shell
        .err()
        .printf(
            Locale.ROOT,
            "\r[%s%s] %3d %% %-34s",
            "#".repeat(filled),
            ".".repeat(WIDTH - filled),
            total <= 0 ? 100 : 100 * done / total,
            label);
    shell.err().flush();
  }

  /** Wipes the bar. */
  void end() {
    if (drawn) {
      shell.err().print("\r" + " ".repeat(WIDTH + 43) + "\r");
      shell.err().flush();
    }
  }
}
