package dev.fovea.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.Terminal.Signal;
import org.jline.terminal.TerminalBuilder;
import org.jline.terminal.impl.DumbTerminal;
import org.jspecify.annotations.Nullable;

/** Lines that somebody types, with editing and history where the terminal can. */
record TypedLines(Terminal terminal, LineReader reader) implements Lines {

  static TypedLines system() throws IOException {
    return of(TerminalBuilder.builder().system(true).dumb(true).build());
  }

  /** A terminal that can do nothing, at the other end of these streams. */
  static TypedLines dumb(InputStream in, OutputStream out) throws IOException {
    return of(new DumbTerminal("fovea", Terminal.TYPE_DUMB, in, out, StandardCharsets.UTF_8));
  }

  private static TypedLines of(Terminal terminal) {
    LineReader reader = LineReaderBuilder.builder()
        .terminal(terminal)
        .appName("fovea")
        .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
        .build();
    return new TypedLines(terminal, reader);
  }

  @Override
  public @Nullable String next(String prompt) {
    try {
      return reader.readLine(prompt);
    } catch (UserInterruptException e) {
      return "";
    } catch (EndOfFileException e) {
      return null;
    }
  }

  @Override
  public void onInterrupt(Runnable action) {
    terminal.handle(Signal.INT, signal -> action.run());
  }

  @Override
  public void close() throws IOException {
    terminal.close();
  }
}
