package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The chat as a user has it: the shipped model, a process of its own, and a terminal, which {@code script} plays. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ChatTerminalTest {
  private static final Path ROOT = Path.of(System.getProperty("fovea.root", "../.."));
  private static final String CTRL_D = "\u0004";

  /** JLine switches bracketed paste on whenever it begins to read a line. */
  private static final String READY = "\u001b[?2004h";

  @TempDir
  Path folder = Path.of("");

  private final StringBuilder screen = new StringBuilder();

  /** Waits for the next prompt; returns what came on the screen since the last one, and the prompt's line before it is painted. */
  private String ready(Reader out) throws IOException {
    int from = screen.length();
    while (screen.indexOf(READY, from) < 0) {
      int c = out.read();
      assertTrue(c >= 0, () -> "ended early:\n" + screen);
      screen.append((char) c);
    }
    return screen.substring(from);
  }

  private String type(Process process, Reader out, String line) throws IOException {
    OutputStream keys = process.getOutputStream();
    keys.write((line + "\r").getBytes(StandardCharsets.UTF_8));
    keys.flush();
    return ready(out);
  }

  @Test
  void talksAboutAShippedPicture() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String command = List.of(
            java,
            "-Xmx512m",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Djava.awt.headless=true",
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            "chat")
        .stream()
        .map(a -> "'" + a + "'")
        .collect(Collectors.joining(" "));
    Path started = Files.writeString(
        folder.resolve("chat.sh"), "stty rows 40 cols 150; exec " + command + "\n");
    boolean linux = System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("linux");
    ProcessBuilder builder = linux
        ? new ProcessBuilder("script", "-qefc", "sh " + started, "/dev/null")
        : new ProcessBuilder("script", "-q", "/dev/null", "sh", started.toString());
    builder.environment().put("FOVEA_HOME", ROOT.toString());
    builder.environment().put("TERM", "xterm");
    builder.environment().put("LC_ALL", "C.UTF-8");
    builder.directory(folder.toFile());
    Process process = builder.redirectErrorStream(true).start();
    try (Reader out = new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)) {
      assertTrue(ready(out).contains("ctrl-D leaves"), screen::toString);
      Path picture = ROOT.resolve("samples/scene-01.png").toAbsolutePath();
      String shown = type(process, out, "/image " + picture);
      assertTrue(shown.contains("scene-01.png: 480x360"), shown);
      type(process, out, "/box 360,41,464,180");
      String first = type(process, out, "What is this?");
      assertTrue(Score.holds("rabbit", first), first);
      // The second turn is about the same picture, which is not shown again.
      type(process, out, "/box 239,213,326,353");
      String second = type(process, out, "What is this?");
      assertTrue(Score.holds("penguin", second), second);
      String cleared = type(process, out, "/clear");
      assertTrue(cleared.contains("cleared"), cleared);
      String pointless = type(process, out, "/box 1,1,5,5");
      assertTrue(pointless.contains("/box needs a picture first"), pointless);
      assertTrue(screen.indexOf("[1 new] [1 marked] > ") > 0, screen::toString);
      process.getOutputStream().write(CTRL_D.getBytes(StandardCharsets.US_ASCII));
      process.getOutputStream().flush();
      while (out.read() >= 0) {
        // what the terminal says as it closes
      }
      assertTrue(process.waitFor(20, TimeUnit.SECONDS));
      assertEquals(0, process.exitValue(), screen::toString);
    } finally {
      process.destroyForcibly();
    }
  }
}
