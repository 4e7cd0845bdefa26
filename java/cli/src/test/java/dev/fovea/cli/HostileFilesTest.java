package dev.fovea.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Files that are broken, lie, or are something else, as a user meets them: each command ends soon with exit 2 and one line that names
 * the file. Made from one sound checkpoint in both forms, which the same commands accept.
 */
class HostileFilesTest {
  private static final long SEED = 20_260_101;
  private static final String WEIGHTS = "model.safetensors";
  private static final String DECODER = "sound-q4_0.gguf";
  private static final String MMPROJ = "mmproj-sound-f16.gguf";

  @TempDir
  static Path shared = Path.of("");

  @TempDir
  Path folder = Path.of("");

  /** Damages the named file of a model's folder. */
  interface Damage {
    void to(Path file) throws IOException;
  }

  /**
   * One broken model.
   *
   * @param file what is damaged, and named in the error
   * @param says what else the line must hold
   * @param opens how {@code inspect} begins where the tensors can be shown all the same; empty where it refuses, too
   */
  record Broken(String what, String file, String says, String opens, Damage damage) {
    @Override
    public String toString() {
      return what;
    }
  }

  /** Tensors that cannot even be listed, or a configuration that is none. */
  private static Broken broken(String what, String file, String says, Damage damage) {
    return new Broken(what, file, says, "", damage);
  }

  /** Tensors that can be shown, in a model that cannot be opened. */
  private static Broken unfit(String what, String file, String says, Damage damage) {
    return new Broken(what, file, says, "opens: no: ", damage);
  }

  /** Tensors that are found unfit when they are used. */
  private static Broken unlike(String what, String file, String says, Damage damage) {
    return new Broken(what, file, says, "opens: yes", damage);
  }

  /** Commands with the real engine behind them. */
  private static Scripted command(int expected, String... args) {
    Scripted scripted = new Scripted(q -> "");
    Shell shell = scripted.shell("");
    Shell real =
        new Shell(shell.out(), shell.err(), shell.in(), shell.env(), false, false, OpenModel::open);
    int code = assertTimeoutPreemptively(Duration.ofSeconds(20), () -> Main.run(real, args));
    assertEquals(expected, code, () -> scripted.err() + scripted.out());
    return scripted;
  }

  private static void refused(Scripted scripted, Path file, String says) {
    String line = scripted.err().strip();
    assertEquals(1, line.lines().count(), line);
    assertTrue(line.startsWith("fovea: ") && line.contains(file.toString()), line);
    assertTrue(line.contains(says), line);
    assertFalse(line.contains("internal error"), line);
    assertEquals("", scripted.out());
  }

  @BeforeAll
  static void sound() throws IOException {
    Path hf = shared.resolve("sound");
    command(0, "synth", "tiny", "--hf", "--quant", "f16", "-o", hf.toString(), "--seed", "3");
    Path pair = shared.resolve("pair");
    command(0, "quantize", hf.toString(), "--to", "q4_0", "-o", pair.toString());
  }

  private static Stream<Path> files(Path of) throws IOException {
    try (Stream<Path> files = Files.list(of)) {
      return files.toList().stream();
    }
  }

  /** The sound model again, with a copy of one file and links to the others. */
  private Path model(String file) throws IOException {
    Path sound = shared.resolve(file.endsWith(".gguf") ? "pair" : "sound");
    Path model = Files.createDirectory(folder.resolve("model"));
    for (Path each : files(sound).toList()) {
      if (each.getFileName().toString().equals(file)) {
        Files.copy(each, model.resolve(file));
      } else {
        Files.createLink(model.resolve(each.getFileName()), each);
      }
    }
    return model;
  }

  @Test
  void theSoundModelIsAccepted() throws IOException {
    String picture = Scripted.picture(folder, 30, 20).toString();
    for (String form : List.of("sound", "pair")) {
      String model = shared.resolve(form).toString();
      command(0, "ask", "-m", model, "-n", "1", picture, "What?");
      assertTrue(command(0, "inspect", model).out().startsWith("opens: yes"), form);
    }
  }

  static Stream<Broken> models() {
    return Stream.of(
        broken(
            "empty weights",
            WEIGHTS,
            "header length at byte 0: expected 8 bytes, found 0",
            HostileFilesTest::empty),
        broken("a folder for weights", WEIGHTS, "is a directory", HostileFilesTest::directory),
        broken("unreadable weights", WEIGHTS, "", HostileFilesTest::unreadable),
        broken(
            "weights cut in the header",
            WEIGHTS,
            "header at byte 8: expected 9912 bytes, found 992",
            f -> cut(f, 1000)),
        broken(
            "weights cut in the data",
            WEIGHTS,
            "lm_head.weight: data_offsets: expected begin and end within 36192412",
            f -> cut(f, Files.size(f) - 100)),
        broken(
            "weights longer than told",
            WEIGHTS,
            "expected 36192512 bytes, the sum of all tensors, found 36192576",
            f -> append(f, 64)),
        broken(
            "a header as long as a long",
            WEIGHTS,
            "found 9223372036854775807",
            f -> poke(f, 0, 8, Long.MAX_VALUE)),
        broken("a negative header", WEIGHTS, "found 18446744073709551615", f -> poke(f, 0, 8, -1)),
        broken("an oversized header", WEIGHTS, "expected 2 to 100000000, found 209715200", f -> {
          poke(f, 0, 8, 200L << 20);
          try (var file = new RandomAccessFile(f.toFile(), "rw")) {
            file.setLength(300L << 20); // sparse: costs no disk
          }
        }),
        broken("noise for weights", WEIGHTS, "is this a safetensors file?", f -> noise(f, 5000)),
        unlike(
            "GGUF named safetensors",
            WEIGHTS,
            "expected names of a known model family",
            f -> copy("pair/" + MMPROJ, f)),
        broken(
            "overlapping tensors",
            WEIGHTS,
            "pre_layrnorm.bias at byte 308415 overlaps tensor vision_tower.vision_model.pre_layrnorm.weight",
            f -> header(f, "\"data_offsets\":[298752,299008]", "\"data_offsets\":[298496,298752]")),
        broken(
            "a tensor beyond the end",
            WEIGHTS,
            "found [998752000, 998752256]",
            f -> header(
                f, "\"data_offsets\":[298752,299008]", "\"data_offsets\":[998752000,998752256]")),
        broken(
            "a size that overflows",
            WEIGHTS,
            "sizes [4611686018427387904, 128] overflow",
            f -> header(f, "\"shape\":[577,128]", "\"shape\":[4611686018427387904,128]")),
        broken(
            "a negative size",
            WEIGHTS,
            "expected sizes of at least 0, found [-577, -128]",
            f -> header(f, "\"shape\":[577,128]", "\"shape\":[-577,-128]")),
        broken(
            "an unknown dtype",
            WEIGHTS,
            "position_embedding.weight: dtype: expected F32",
            f -> header(
                f,
                "{\"dtype\":\"F16\",\"shape\":[577,128]",
                "{\"dtype\":\"X16\",\"shape\":[577,128]")),
        broken(
            "a dtype of another size",
            WEIGHTS,
            "at byte 160703: expected 295424 bytes for F32[577, 128], found 147712",
            f -> header(
                f,
                "{\"dtype\":\"F16\",\"shape\":[577,128]",
                "{\"dtype\":\"F32\",\"shape\":[577,128]")),
        unlike(
            "whole numbers for weights",
            WEIGHTS,
            "element type that is not supported: expected F32",
            f -> header(
                f,
                "{\"dtype\":\"F16\",\"shape\":[577,128]",
                "{\"dtype\":\"I16\",\"shape\":[577,128]")),
        unlike(
            "another shape",
            WEIGHTS,
            "sizes: expected [577, 128], found [128, 577]",
            f -> header(f, "\"shape\":[577,128]", "\"shape\":[128,577]")),
        unlike(
            "a missing tensor",
            WEIGHTS,
            "tensor vision.blocks.0.norm1.weight is missing",
            f -> header(
                f, "encoder.layers.0.layer_norm1.weight", "encoder.layers.0.layer_norm7.weight")),
        broken(
            "a header nested deep",
            WEIGHTS,
            "the header at byte 8: expected START_OBJECT",
            f -> Files.write(f, nested())),
        unfit(
            "an empty configuration",
            "config.json",
            "top level: expected a JSON object",
            HostileFilesTest::empty),
        unfit(
            "a folder for a configuration",
            "config.json",
            "cannot be read: Is a directory",
            HostileFilesTest::directory),
        broken(
            "an unreadable configuration",
            "config.json",
            "cannot be read",
            HostileFilesTest::unreadable),
        broken(
            "a configuration nested deep",
            "config.json",
            "nesting depth",
            f -> Files.writeString(f, "[".repeat(1 << 20))),
        unfit(
            "a configuration that is a list",
            "config.json",
            "top level: expected a JSON object",
            f -> Files.writeString(f, "[1]")),
        broken("noise for a configuration", "config.json", "JSON", f -> noise(f, 3000)),
        broken("NaN", "config.json", "NaN", f -> replace(f, "10000.0", "NaN")),
        unfit("endless theta", "config.json", "rope_theta", f -> replace(f, "10000.0", "1e999")),
        unfit("negative eps", "config.json", "layer_norm_eps", f -> replace(f, "1.0E-5", "-1")),
        unfit(
            "no layers",
            "config.json",
            "num_hidden_layers",
            f -> replace(f, "\"num_hidden_layers\" : 2", "\"num_hidden_layers\" : 0")),
        unfit(
            "two thousand million layers",
            "config.json",
            "num_hidden_layers",
            f -> replace(f, "\"num_hidden_layers\" : 2", "\"num_hidden_layers\" : 2147483647")),
        unfit(
            "more layers than a long",
            "config.json",
            "num_hidden_layers",
            f -> replace(
                f, "\"num_hidden_layers\" : 2", "\"num_hidden_layers\" : 99999999999999999999")),
        unfit(
            "a word for a number",
            "config.json",
            "hidden_size",
            f -> replace(f, "\"hidden_size\" : 256", "\"hidden_size\" : \"wide\"")),
        unfit(
            "an endless picture",
            "config.json",
            "image_size",
            f -> replace(f, "\"image_size\" : 336", "\"image_size\" : 2147483640")),
        unfit(
            "patches of no size",
            "config.json",
            "patch_size",
            f -> replace(f, "\"patch_size\" : 14", "\"patch_size\" : 0")),
        unfit(
            "endless positions",
            "config.json",
            "max_position_embeddings",
            f -> replace(f, "4096", "2147483647")),
        unfit(
            "an empty tokenizer",
            "tokenizer.model",
            "expected at least one piece",
            HostileFilesTest::empty),
        unfit(
            "a folder for a tokenizer",
            "tokenizer.model",
            "expected a regular file",
            HostileFilesTest::directory),
        unfit(
            "an unreadable tokenizer",
            "tokenizer.model",
            "cannot be read",
            HostileFilesTest::unreadable),
        unfit(
            "a tokenizer cut short",
            "tokenizer.model",
            "pieces[867] at byte 12342",
            f -> cut(f, 12_345)),
        unfit(
            "noise for a tokenizer", "tokenizer.model", "wire type at byte 0", f -> noise(f, 4000)),
        unfit(
            "broken tokenizer settings",
            "tokenizer_config.json",
            "JSON at byte 200",
            f -> cut(f, 200)),
        unfit("broken image settings", "preprocessor_config.json", "not JSON", f -> cut(f, 100)),
        unfit(
            "image settings of no deviation",
            "preprocessor_config.json",
            "image_std",
            f -> replace(f, "0.26862954", "0")),
        unfit(
            "another picture size",
            "preprocessor_config.json",
            "size",
            f -> replace(f, "336", "112")),
        broken(
            "an empty decoder",
            DECODER,
            "header length at byte 0: expected 8 bytes, found 0",
            HostileFilesTest::empty),
        broken("a folder for a decoder", DECODER, "", HostileFilesTest::directory),
        broken("an unreadable decoder", DECODER, "", HostileFilesTest::unreadable),
        broken(
            "another magic",
            DECODER,
            "header length at byte 0 (is this a safetensors file?)",
            f -> poke(f, 0, 4, 0x47475546)),
        broken(
            "a version to come",
            DECODER,
            "version at byte 4: expected 2 or 3, found 99",
            f -> poke(f, 4, 4, 99)),
        broken(
            "four billion billion tensors",
            DECODER,
            "tensor count at byte 8",
            f -> poke(f, 8, 8, 1L << 62)),
        broken(
            "a negative tensor count", DECODER, "tensor count at byte 8", f -> poke(f, 8, 8, -1)),
        broken(
            "as many pairs", DECODER, "metadata count at byte 16", f -> poke(f, 16, 8, 1L << 62)),
        broken(
            "a key without end",
            DECODER,
            "metadata key 0 at byte 32",
            f -> poke(f, 24, 8, Long.MAX_VALUE)),
        broken(
            "a decoder cut in the header",
            DECODER,
            "tokenizer.ggml.tokens: array length at byte 795",
            f -> cut(f, 100_000)),
        broken(
            "a decoder cut in the data",
            DECODER,
            "output.weight listed at byte",
            f -> cut(f, Files.size(f) - 100_000)),
        broken("noise for a decoder", DECODER, "is this a safetensors file?", f -> noise(f, 5000)),
        broken(
            "an unknown element type",
            DECODER,
            "blk.1.attn_q.weight: type at byte 724879: expected a known ggml type, found 99",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight"), 4, 99)),
        broken(
            "an element type of another size",
            DECODER,
            "overlaps tensor blk.1.attn_q.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight"), 4, 0)),
        broken(
            "overlapping decoder tensors",
            DECODER,
            "blk.1.attn_q.weight at byte 725440 overlaps tensor token_embd.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight") + 4, 8, 0)),
        broken(
            "a decoder tensor beyond the end",
            DECODER,
            "blk.1.attn_q.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight") + 4, 8, 1L << 40)),
        broken(
            "an odd place",
            DECODER,
            "blk.1.attn_q.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight") + 4, 8, 1)),
        broken(
            "a size of zero",
            DECODER,
            "blk.1.attn_q.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight") - 8, 8, 0)),
        broken(
            "a decoder's size that overflows",
            DECODER,
            "blk.1.attn_q.weight",
            f -> poke(f, tensor(f, "blk.1.attn_q.weight") - 8, 8, 1L << 62)),
        unlike(
            "a missing decoder tensor",
            DECODER,
            "layers.1.q is missing: expected blk.1.attn_q.weight",
            f -> poke(f, find(f, "blk.1.attn_q.weight") + 4, 1, '7')),
        unfit(
            "NaN theta",
            DECODER,
            "rope_theta: expected a positive number, found NaN",
            f -> poke(f, value(f, "llama.rope.freq_base"), 4, 0x7FC00000)),
        unfit(
            "too many blocks",
            DECODER,
            "expected 1 to 1000, found 2147483647",
            f -> poke(f, value(f, "llama.block_count"), 4, Integer.MAX_VALUE)),
        unfit(
            "no heads",
            DECODER,
            "llama.attention.head_count",
            f -> poke(f, value(f, "llama.attention.head_count"), 4, 0)),
        unfit(
            "an endless context",
            DECODER,
            "max_position_embeddings: expected",
            f -> poke(f, value(f, "llama.context_length"), 4, Integer.MAX_VALUE)),
        broken(
            "an empty mmproj",
            MMPROJ,
            "header length at byte 0: expected 8 bytes, found 0",
            HostileFilesTest::empty),
        broken(
            "an mmproj cut short",
            MMPROJ,
            "v.blk.1.attn_q.weight listed at byte",
            f -> cut(f, Files.size(f) / 2)),
        unfit(
            "an endless mmproj picture",
            MMPROJ,
            "image_size: expected 1 to 4096",
            f -> poke(f, value(f, "clip.vision.image_size"), 4, 0x7FFFFFF8)),
        unfit(
            "no patches",
            MMPROJ,
            "patch_size: expected 1 to 336, found 0",
            f -> poke(f, value(f, "clip.vision.patch_size"), 4, 0)),
        unlike(
            "a missing mmproj tensor",
            MMPROJ,
            "projector.0.weight is missing: expected mm.0.weight or mm.weight",
            f -> poke(f, find(f, "mm.0.weight") + 3, 1, '9')));
  }

  @ParameterizedTest
  @MethodSource("models")
  void aBrokenModelIsRefused(Broken broken) throws IOException {
    Path model = model(broken.file());
    Path file = model.resolve(broken.file());
    broken.damage().to(file);
    refused(command(2, "ask", "-m", model.toString(), "-n", "1", "Hi"), file, broken.says());
    if (broken.opens().isEmpty()) {
      refused(command(2, "inspect", model.toString()), file, broken.says());
    } else {
      String first =
          command(0, "inspect", model.toString()).out().lines().findFirst().orElse("");
      assertTrue(first.startsWith(broken.opens()), first);
      assertTrue(first.startsWith("opens: yes") || first.contains(file.toString()), first);
    }
    Path out = folder.resolve("out");
    refused(
        command(2, "quantize", model.toString(), "--to", "q8_0", "-o", out.toString()),
        file,
        broken.says());
    assertTrue(!Files.exists(out) || files(out).findAny().isEmpty(), "nothing is left behind");
    if (Files.isSymbolicLink(file)) {
      Files.delete(file);
    }
  }

  record BrokenPicture(String what, String says, Damage damage) {
    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<BrokenPicture> pictures() {
    return Stream.of(
        new BrokenPicture("empty", "empty file", HostileFilesTest::empty),
        new BrokenPicture("a folder", "is a folder", HostileFilesTest::directory),
        new BrokenPicture("unreadable", "cannot be read", HostileFilesTest::unreadable),
        new BrokenPicture("noise", "not a picture", f -> noise(f, 5000)),
        new BrokenPicture("cut in the header", "", f -> cut(f, 20)),
        new BrokenPicture("cut in the data", "", f -> cut(f, Files.size(f) - 30)),
        new BrokenPicture("another magic", "not a picture", f -> poke(f, 0, 1, 0x88)),
        new BrokenPicture("a model", "not a picture", f -> copy("pair/" + MMPROJ, f)),
        new BrokenPicture("a PNG bomb", "picture size: expected", f -> png(f, 60_000, 60_000)),
        new BrokenPicture(
            "a PNG without end", "picture size: expected", f -> png(f, Integer.MAX_VALUE, 1)),
        new BrokenPicture("a PNG of no width", "", f -> png(f, 0, 5)),
        new BrokenPicture(
            "a GIF bomb",
            "picture size: expected",
            f -> Files.write(
                f,
                HexFormat.of()
                    .parseHex("474946383961ffffffff0000002c00000000ffffffff0002024c01003b"))),
        new BrokenPicture(
            "a BMP that lies",
            "",
            f -> Files.write(
                f,
                HexFormat.of()
                    .parseHex(
                        "424d3a000000000000003600000028000000ffffff7f01000000010018000000000000000000"
                            + "00000000000000000000000000000000"))),
        new BrokenPicture(
            "a WebP that lies",
            "WebP",
            f -> Files.write(
                f, HexFormat.of().parseHex("52494646ffffff7f574542505650382000000040"))));
  }

  @ParameterizedTest
  @MethodSource("pictures")
  void aBrokenPictureIsRefused(BrokenPicture broken) throws IOException {
    Path file = Scripted.picture(folder, 30, 20);
    broken.damage().to(file);
    refused(
        command(2, "ask", "-m", shared.resolve("pair").toString(), file.toString(), "What?"),
        file,
        broken.says());
    if (Files.isSymbolicLink(file)) {
      Files.delete(file);
    }
  }

  @Test
  void aPictureIsNoModel() throws IOException {
    Path picture = Scripted.picture(folder, 30, 20);
    refused(command(2, "inspect", picture.toString()), picture, "");
    Path out = folder.resolve("out");
    for (Path model : List.of(picture, Files.createDirectory(folder.resolve("nothing")))) {
      refused(command(2, "ask", "-m", model.toString(), "Hi"), folder, "mmproj");
      refused(
          command(2, "quantize", model.toString(), "--to", "f16", "-o", out.toString()),
          folder,
          "mmproj");
    }
  }

  /** A PNG that says a size and has next to no pixels. */
  private static void png(Path file, int width, int height) throws IOException {
    byte[] header = ByteBuffer.allocate(13)
        .putInt(width)
        .putInt(height)
        .put(new byte[] {8, 2, 0, 0, 0})
        .array();
    ByteBuffer png = ByteBuffer.allocate(8 + 3 * 12 + header.length + 6);
    png.putLong(0x89504E470D0A1A0AL);
    chunk(png, "IHDR", header);
    chunk(
        png, "IDAT", HexFormat.of().parseHex("789c03000000")); // deflate: nothing, and no checksum
    chunk(png, "IEND", new byte[0]);
    Files.write(file, png.array());
  }

  private static void chunk(ByteBuffer png, String type, byte[] data) {
    var sum = new CRC32();
    sum.update(type.getBytes(StandardCharsets.US_ASCII));
    sum.update(data);
    png.putInt(data.length)
        .put(type.getBytes(StandardCharsets.US_ASCII))
        .put(data)
        .putInt((int) sum.getValue());
  }

  private static void empty(Path file) throws IOException {
    Files.write(file, new byte[0]);
  }

  private static void directory(Path file) throws IOException {
    Files.delete(file);
    Files.createDirectory(file);
  }

  /** A file that may not be read; for a user who may read everything, one whose reads fail. */
  private static void unreadable(Path file) throws IOException {
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
    if (Files.isReadable(file)) {
      Files.delete(file);
      Files.createSymbolicLink(file, Path.of("/proc/self/mem"));
    }
  }

  private static void cut(Path file, long bytes) throws IOException {
    try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(bytes);
    }
  }

  private static void append(Path file, int bytes) throws IOException {
    Files.write(file, new byte[bytes], StandardOpenOption.APPEND);
  }

  private static void noise(Path file, int bytes) throws IOException {
    byte[] noise = new byte[bytes];
    new Random(SEED).nextBytes(noise);
    Files.write(file, noise);
  }

  private static void copy(String from, Path to) throws IOException {
    Files.write(to, Files.readAllBytes(shared.resolve(from)));
  }

  private static void poke(Path file, long at, int bytes, long value) throws IOException {
    byte[] little =
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(little, 0, bytes), at);
    }
  }

  private static void replace(Path file, String from, String to) throws IOException {
    String text = Files.readString(file);
    assertTrue(text.contains(from), from);
    Files.writeString(file, text.replace(from, to));
  }

  /** Changes a safetensors header, moving the data behind it. */
  private static void header(Path file, String from, String to) throws IOException {
    byte[] all = Files.readAllBytes(file);
    int length = (int) ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(all, 8, length, StandardCharsets.UTF_8);
    assertTrue(header.contains(from), from);
    byte[] changed = header.replace(from, to).strip().getBytes(StandardCharsets.UTF_8);
    var out = new ByteArrayOutputStream();
    out.writeBytes(ByteBuffer.allocate(8)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(changed.length)
        .array());
    out.writeBytes(changed);
    out.write(all, 8 + length, all.length - 8 - length);
    Files.write(file, out.toByteArray());
  }

  private static byte[] nested() {
    byte[] deep = new byte[8 + (1 << 20)];
    Arrays.fill(deep, (byte) '[');
    ByteBuffer.wrap(deep).order(ByteOrder.LITTLE_ENDIAN).putLong(1 << 20);
    return deep;
  }

  /** Where a string's characters begin in a GGUF file; the string is written once, with its length before it. */
  private static long find(Path file, String text) {
    try {
      byte[] all = Files.readAllBytes(file);
      byte[] wanted = ByteBuffer.allocate(8 + text.length())
          .order(ByteOrder.LITTLE_ENDIAN)
          .putLong(text.length())
          .put(text.getBytes(StandardCharsets.US_ASCII))
          .array();
      for (int at = 0; at <= all.length - wanted.length; at++) {
        if (Arrays.equals(all, at, at + wanted.length, wanted, 0, wanted.length)) {
          return at + 8L;
        }
      }
      throw new AssertionError(file + " has no " + text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Where a matrix's element type is written: behind its name, the count of its sizes and the two sizes. Its place follows. */
  private static long tensor(Path file, String name) {
    return find(file, name) + name.length() + 4 + 16;
  }

  /** Where a number's value is written: behind its key and its type. */
  private static long value(Path file, String key) {
    return find(file, key) + key.length() + 4;
  }
}
