package dev.fovea.cli;

import dev.fovea.error.CancelledException;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * The command line. Only the command that was named is loaded, so that the short ones start fast.
 *
 * <p>Exit codes: 0 success, 1 a check or a measurement that failed, 2 an error (one line on standard error), 130 interrupted.
 */
public final class Main {
  static final int FAILED = 1;
  static final int ERROR = 2;
  static final int INTERRUPTED = 130;

  private static final List<String> COMMANDS = List.of(
      "ask", "Ask about a picture, or a spot in it",
      "chat", "Talk about pictures, turn by turn",
      "serve", "Answer over HTTP, as OpenAI's API does, and show a page to point at things",
      "demo", "Ask about the shipped scenes and draw them",
      "inspect", "Show what a checkpoint holds, without loading it",
      "quantize", "Write a checkpoint with 4-bit, 8-bit or 16-bit weights",
      "synth", "Write a seeded random checkpoint of a named shape",
      "tokenize", "Show the token ids of a text",
      "bench", "Measure prompt, generation and image speed",
      "check", "Check a backend's kernels against their definitions",
      "eval", "Measure how often a model is right",
      "doctor", "Show what this machine has and what is missing",
      "version", "Show the version");

  private Main() {}

  public static void main(String[] args) {
    Shell shell = Shell.system();
    int code = readable(shell, args) ? run(shell, args) : ERROR;
    // Ends threads that a library may have left behind, too.
    System.exit(code);
  }

  /** Java decodes arguments by the locale; what it cannot say arrives as U+FFFD, which would be asked about or looked for. */
  private static boolean readable(Shell shell, String... args) {
    String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
    for (int i = 0; i < args.length; i++) {
      if (args[i].indexOf('\uFFFD') >= 0 && !encoding.equals("UTF-8")) {
        fail(
            shell,
            "argument " + (i + 1) + " holds characters that the locale's encoding " + encoding
                + " cannot say: expected a UTF-8 locale, such as LC_ALL=C.UTF-8");
        return false;
      }
    }
    return true;
  }

  /** Runs one command and returns its exit code; throws nothing that a user can cause. */
  static int run(Shell shell, String... args) {
    String name = args.length == 0 ? "help" : args[0];
    if (List.of("help", "--help", "-h", "-?").contains(name)) {
      if (args.length > 1 && command(args[1], shell) != null) {
        return run(shell, args[1], "--help");
      }
      shell.out().print(overview());
      return 0;
    }
    if (name.equals("--version") || name.equals("-V")) {
      name = "version";
    }
    Callable<Integer> command = command(name, shell);
    if (command == null) {
      return fail(
          shell, "unknown command '" + name + "'" + similar(name) + "; ./fovea help lists them");
    }
    try {
      return execute(name, command, shell, Arrays.copyOfRange(args, 1, args.length));
    } catch (Exception | OutOfMemoryError | StackOverflowError e) {
      if (Arrays.asList(args).contains("--verbose") || shell.variable("FOVEA_VERBOSE") != null) {
        e.printStackTrace(shell.err());
      }
      fail(shell, explain(e));
      return e instanceof CancelledException ? INTERRUPTED : ERROR;
    }
  }

  private static int execute(String name, Callable<Integer> command, Shell shell, String... args)
      throws Exception {
    CommandLine line = new CommandLine(command)
        .setCommandName("fovea " + name)
        .setUsageHelpAutoWidth(false)
        .setUsageHelpWidth(100)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setDefaultValueProvider(new Variables(shell.env()));
    try {
      ParseResult parsed = line.parseArgs(args);
      if (parsed.isUsageHelpRequested()) {
        line.usage(shell.out(), Ansi.OFF);
        return 0;
      }
    } catch (ParameterException e) {
      return fail(shell, Variables.blame(e, shell.env()) + " (see ./fovea " + name + " --help)");
    }
    return command.call();
  }

  /** A new command of that name; null if there is none. */
  private static @Nullable Callable<Integer> command(String name, Shell shell) {
    return switch (name) {
      case "ask" -> new Ask(shell);
      case "chat" -> new Chat(shell);
      case "serve" -> new Serve(shell);
      case "demo" -> new Demo(shell);
      case "inspect" -> new Inspect(shell);
      case "quantize" -> new Quantize(shell);
      case "synth" -> new Synthesize(shell);
      case "tokenize" -> new Tokenize(shell);
      case "bench" -> new Bench(shell);
      case "check" -> new Check(shell);
      case "eval" -> new Eval(shell);
      case "doctor" -> new Doctor(shell);
      case "version" -> new Version(shell);
      default -> null;
    };
  }

  static int fail(Shell shell, String message) {
    shell.out().flush();
    shell.err().println("fovea: " + oneLine(message));
    return ERROR;
  }

  private static String oneLine(String message) {
    return message.strip().replaceAll("\\s*\\R\\s*", " ");
  }

  private static String explain(Throwable e) {
    String hint = " (run again with --verbose for the stack trace)";
    return switch (e) {
      case FoveaException f -> String.valueOf(f.getMessage());
      case UncheckedIOException io -> io.getMessage() + hint;
      case IOException io -> io.getMessage() + hint;
      case OutOfMemoryError o ->
        "out of memory: " + o.getMessage() + "; close other programs or give a smaller -c" + hint;
      default -> "internal error: " + e + hint;
    };
  }

  private static String overview() {
    StringBuilder text = new StringBuilder("""
        Fovea answers questions about pictures, and about the spots you point at.

        Usage: ./fovea COMMAND [FLAG]... [ARGUMENT]...

        """);
    for (int i = 0; i < COMMANDS.size(); i += 2) {
      text.append(String.format(Locale.ROOT, "  %-9s %s%n", COMMANDS.get(i), COMMANDS.get(i + 1)));
    }
    return text.append("""

        ./fovea COMMAND --help explains one. Every flag can be given as a variable: --cpu-tier as
        FOVEA_CPU_TIER; a flag beats its variable.
        """).toString();
  }

  private static String similar(String name) {
    for (int i = 0; i < COMMANDS.size(); i += 2) {
      String known = COMMANDS.get(i);
      if (!name.isEmpty() && (known.startsWith(name) || name.startsWith(known))) {
        return ": did you mean " + known + "?";
      }
    }
    return "";
  }

  /** A file that must be there. */
  static void require(java.nio.file.Path path, String expected) {
    if (!java.nio.file.Files.exists(path)) {
      throw new InputException(path + ": no such file; expected " + expected);
    }
  }
}
