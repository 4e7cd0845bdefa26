package dev.fovea.cli;

import picocli.CommandLine.Option;

/** Flags that every command has. */
class Flags {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  boolean help;

  @Option(names = "--verbose", description = "Show the stack trace of an error.")
  boolean verbose;

  @Option(
      names = "--color",
      paramLabel = "on|off|auto",
      description = "Colour on standard error; auto honours NO_COLOR.")
  Color color = Color.AUTO;

  enum Color {
    ON,
    OFF,
    AUTO
  }

  /** Text as standard error shows things that matter less. */
  String dim(Shell shell, String text) {
    return colored(shell) ? "\u001b[2m" + text + "\u001b[0m" : text;
  }

  boolean colored(Shell shell) {
    return switch (color) {
      case ON -> true;
      case OFF -> false;
      case AUTO ->
        shell.errTerminal()
            && shell.variable("NO_COLOR") == null
            && !"dumb".equals(shell.variable("TERM"));
    };
  }
}
