package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MainTest {
  @TempDir
  Path folder = Path.of("");

  private final Scripted scripted = new Scripted(q -> "A rabbit.");

  record Mistake(List<String> args, String line) {}

  static Stream<Mistake> mistakes() {
    return Stream.of(
        new Mistake(List.of("chta"), "fovea: unknown command 'chta'; ./fovea help lists them"),
        new Mistake(
            List.of("insp"),
            "fovea: unknown command 'insp': did you mean inspect?; ./fovea help lists them"),
        new Mistake(
            List.of("ask"),
            "fovea: no question: expected ./fovea ask IMAGE QUESTION (see ./fovea ask --help)"),
        new Mistake(
            List.of("ask", "--nope", "x"),
            "fovea: unknown option: '--nope' (see ./fovea ask --help)"),
        new Mistake(
            List.of("ask", "nope.png", "What?"),
            "fovea: nope.png: no such file; expected a picture (JPEG, PNG, WebP, BMP or GIF)"),
        new Mistake(
            List.of("ask", "--box", "1,2,3", "What?"),
            "fovea: --box: expected x1,y1,x2,y2, found '1,2,3' (see ./fovea ask --help)"),
        new Mistake(
            List.of("ask", "--point", "1,a", "What?"),
            "fovea: --point: expected x,y, found '1,a' (see ./fovea ask --help)"),
        new Mistake(
            List.of("ask", "--box", "9,9,1,1", "What?"),
            "fovea: box: expected x1 < x2 and y1 < y2, found x1=9.0 y1=9.0 x2=1.0 y2=1.0"),
        new Mistake(
            List.of("ask", "--box", "1,1,9,9", "What?"),
            "fovea: a box or a point needs a picture: expected ./fovea ask IMAGE --box x1,y1,x2,y2 QUESTION"),
        new Mistake(
            List.of("ask", "-t", "two", "What?"),
            "fovea: invalid value for option '--threads': 'two' is not an int (see ./fovea ask --help)"),
        new Mistake(
            List.of("ask", "--temp", "-1", "What?"),
            "fovea: temperature: expected 0 to 100, found -1.0"),
        new Mistake(
            List.of("ask", "--kv", "q4_0", "What?"),
            "fovea: --kv: expected f16, q8_0 or f32, found q4_0"),
        new Mistake(
            List.of("ask", "--image-mode", "stretch", "What?"),
            "fovea: --image-mode: expected [resize, pad, pad-top-left, crop], found stretch"),
        new Mistake(
            List.of("ask", "-m", "nowhere", "What?"),
            "fovea: nowhere: no such file; expected a model folder or a .gguf file"),
        new Mistake(
            List.of("inspect", "nowhere"),
            "fovea: nowhere: no such file; expected a model folder, or a .safetensors or .gguf file"),
        new Mistake(
            List.of("quantize", "nowhere", "--to", "q4_0", "-o", "x"),
            "fovea: nowhere: no such file; expected a model folder or a .gguf file"),
        new Mistake(
            List.of("quantize", "nowhere", "--to", "q5_k", "-o", "x"),
            "fovea: --to: expected q4_0, q8_0, f16, bf16 or f32, found q5_k"),
        new Mistake(
            List.of("synth", "huge", "-o", "x"),
            "fovea: model shape: expected llava-1.5-7b, chatspot-7b, tiny or tiny-linear, found huge"),
        new Mistake(
            List.of("synth", "tiny"),
            "fovea: missing required option: '--out=DIR' (see ./fovea synth --help)"),
        new Mistake(
            List.of("bench", "--vs", "ollama"),
            "fovea: --vs: expected llama.cpp, pytorch or onnxruntime, found ollama"),
        new Mistake(
            List.of("bench", "--guard", "HEAD", "--rounds", "3"),
            "fovea: --rounds: expected 10 (99 % confidence in three looks needs them) to 1000, found 3"),
        new Mistake(
            List.of("bench", "--guard", "nowhere"),
            "fovea: --guard: expected a commit of " + System.getProperty("fovea.root")
                + ", found 'nowhere'"),
        new Mistake(
            List.of("eval", "nowhere.zip"),
            "fovea: nowhere.zip: no such file; expected demo, or an archive of scenes"));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void mistakesAreOneLineAndExitTwo(Mistake mistake) throws IOException {
    Files.createDirectories(folder.resolve("models/demo"));
    scripted.env.put("FOVEA_HOME", folder.toString());
    assertEquals(2, scripted.run("", mistake.args().toArray(String[]::new)));
    assertEquals(mistake.line() + "\n", scripted.err().replace(System.lineSeparator(), "\n"));
    assertEquals("", scripted.out());
  }

  @Test
  void anAbsentDemoModelIsNamed() {
    scripted.env.put("FOVEA_HOME", folder.toString());
    assertEquals(2, scripted.run("", "ask", "What?"));
    assertEquals(
        "fovea: no model: give -m PATH or set FOVEA_MODEL (the demo model would be in "
            + folder.resolve("models").resolve("demo") + ")",
        scripted.err().strip());
  }

  @Test
  void verboseShowsTheStack() {
    assertEquals(2, scripted.run("", "ask", "nope.png", "What?", "--verbose"));
    assertTrue(scripted.err().contains("\tat dev.fovea.cli."), scripted.err());
    assertTrue(
        scripted.err().strip().lines().toList().getLast().startsWith("fovea: nope.png"),
        scripted.err());
  }

  @Test
  void aBugIsNamedAsOne() throws IOException {
    Scripted broken = new Scripted(q -> {
      throw new IllegalStateException("on\npurpose");
    });
    assertEquals(2, broken.run("", "ask", "-m", folder.toString(), "What?"));
    assertEquals(
        "fovea: internal error: java.lang.IllegalStateException: on purpose (run again with --verbose for the stack trace)",
        broken.err().strip());
    assertEquals(1, broken.closed);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ask",
        "chat",
        "demo",
        "inspect",
        "quantize",
        "synth",
        "tokenize",
        "bench",
        "eval",
        "doctor",
        "version"
      })
  void everyCommandHasHelpOnStandardOutput(String command) {
    assertEquals(0, scripted.run("", command, "--help"));
    assertTrue(scripted.out().startsWith("Usage: fovea " + command), scripted.out());
    assertTrue(scripted.out().contains("--verbose"), scripted.out());
    assertEquals("", scripted.err());
    Scripted other = new Scripted(q -> "");
    assertEquals(0, other.run("", "help"));
    assertTrue(other.out().contains("\n  " + command + " "), other.out());
  }

  @Test
  void versionIsShort() {
    assertEquals(0, scripted.run("", "version"));
    assertTrue(scripted.out().startsWith("fovea "), scripted.out());
    assertFalse(scripted.out().isBlank());
    assertEquals("", scripted.err());
  }

  @Test
  void aFlagBeatsItsVariable() {
    scripted.env.put("FOVEA_THREADS", "3");
    scripted.env.put("FOVEA_CPU_TIER", "avx2");
    scripted.env.put("FOVEA_MODEL", folder.toString());
    scripted.env.put("FOVEA_EXIF", "1");
    scripted.env.put("FOVEA_MAX_TOKENS", "7");
    assertEquals(0, scripted.run("", "ask", "-t", "2", "What?"), scripted::err);
    var options = scripted.options;
    assertTrue(options != null && options.exif());
    assertEquals(2, options == null ? 0 : options.threads());
    assertEquals("avx2", options == null ? "" : options.tier());
    assertEquals(folder, scripted.model);
    assertEquals(7, scripted.generations.getFirst().maxTokens());
  }

  @ParameterizedTest
  @ValueSource(strings = {"--kv", "--cache-type", "-ctk"})
  void cacheTypeHasThreeNames(String flag) {
    scripted.env.put("FOVEA_MODEL", folder.toString());
    assertEquals(0, scripted.run("", "ask", flag, "Q8_0", "What?"), scripted::err);
    var options = scripted.options;
    assertEquals(DType.Q8_0, options == null ? null : options.kvType());
  }

  @Test
  void aWrongVariableIsNamed() {
    scripted.env.put("FOVEA_THREADS", "many");
    assertEquals(2, scripted.run("", "ask", "What?"));
    assertEquals(
        "fovea: invalid value for option '--threads': 'many' is not an int, from FOVEA_THREADS (see ./fovea ask --help)",
        scripted.err().strip());
  }

  /** What a process of its own prints, in a locale. */
  private String inLocale(int expected, String locale, String... args) throws Exception {
    List<String> command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-XX:TieredStopAtLevel=1",
        "-Dstdout.encoding=UTF-8",
        "-cp",
        System.getProperty("java.class.path"),
        Main.class.getName()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder("sh", folder.resolve("run.sh").toString());
    // The arguments travel as bytes of a script, whatever this test's own locale is.
    Files.writeString(
        folder.resolve("run.sh"),
        command.stream().map(a -> "'" + a + "'").collect(Collectors.joining(" ")) + "\n");
    builder.environment().put("LC_ALL", locale);
    Process process = builder.redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(expected, process.waitFor(), printed);
    return printed.strip();
  }

  @Test
  void argumentsOfAnyScript() throws Exception {
    String path = "bär 熊.png";
    assertEquals(
        "fovea: " + path + ": no such file; expected a picture (JPEG, PNG, WebP, BMP or GIF)",
        inLocale(2, "C.UTF-8", "ask", path, "这是什么?"));
    assertEquals(
        "fovea: argument 2 holds characters that the locale's encoding ANSI_X3.4-1968 cannot say:"
            + " expected a UTF-8 locale, such as LC_ALL=C.UTF-8",
        inLocale(2, "C", "ask", path, "这是什么?"));
  }
}
