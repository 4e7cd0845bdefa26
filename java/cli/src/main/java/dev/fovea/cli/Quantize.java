package dev.fovea.cli;

import dev.fovea.error.InputException;
import dev.fovea.model.checkpoint.Conversion;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.tensor.DType;
import dev.fovea.weights.convert.Quantizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fovea quantize}. */
@Command(
    description = {
      "Writes a model as a pair of GGUF files, which llama.cpp reads too, and shows what rounding did to",
      "each tensor: the root mean square and the largest error, relative to the tensor's own root mean",
      "square. Files get their names when they are complete.",
      ""
    })
final class Quantize implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Parameters(
      paramLabel = "DIR",
      description = "The model: a folder, or the decoder file of a GGUF pair.")
  @Nullable
  Path from;

  @Option(
      names = "--to",
      paramLabel = "q4_0|q8_0|f16",
      required = true,
      description = "Element type of the decoder's linear maps; bf16 and f32 are possible too.")
  String to = "";

  @Option(
      names = "--image-to",
      paramLabel = "TYPE",
      description = "Element type of the vision tower's and the projector's linear maps.")
  String imageTo = "f16";

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The folder to write, which must not hold a model.")
  @Nullable
  Path out;

  @Option(
      names = "--mmproj",
      paramLabel = "FILE",
      description = "Vision and projector file, if the model is a GGUF pair.")
  @Nullable
  Path mmproj;

  @Option(
      names = "--vision-dir",
      paramLabel = "DIR",
      description = "Folder of the CLIP tower, for original LLaVA checkpoints that lack it.")
  @Nullable
  Path visionDir;

  private final Shell shell;

  Quantize(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    Path source = from == null ? Path.of("") : from;
    Path folder = out == null ? Path.of("") : out;
    DType decoder = dtype("--to", to);
    DType image = dtype("--image-to", imageTo);
    Main.require(source, "a model folder or a .gguf file");
    fresh(folder);
    try (LoadedModel model =
        LoadedModel.open(source, new OpenOptions(visionDir, mmproj, null, null, null))) {
      Files.createDirectories(folder);
      String name =
          source.toAbsolutePath().normalize().getFileName().toString().replaceFirst("\\.gguf$", "");
      Progress progress = new Progress(shell);
      List<Quantizer.TensorError> errors = Conversion.write(
          model,
          name,
          folder.resolve(name + "-" + decoder.label() + ".gguf"),
          folder.resolve("mmproj-" + name + "-" + image.label() + ".gguf"),
          decoder,
          image,
          progress::at);
      progress.end();
      shell.out().print(table(errors));
      shell
          .err()
          .println("wrote " + folder + ": " + Sizes.bytes(bytes(folder)) + ", from "
              + Sizes.bytes(model.bytes()));
    }
    return 0;
  }

  private static String table(List<Quantizer.TensorError> errors) {
    Table table = new Table("tensor", "from", "to", ">rms error %", ">max error %");
    for (Quantizer.TensorError e : errors) {
      table.row(
          e.name(),
          e.from().label(),
          e.to().label(),
          String.format(Locale.ROOT, "%.3f", 100 * e.rms()),
          String.format(Locale.ROOT, "%.3f", 100 * e.max()));
    }
    return table.toString();
  }

  static DType dtype(String flag, String label) {
    return Stream.of(DType.values())
        .filter(t -> !t.isWhole()
            && t != DType.Q4_G128 // which GGUF files cannot hold
            && t.label().equals(label.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(() -> InputException.mismatch(flag, "q4_0, q8_0, f16, bf16 or f32", label));
  }

  /** A folder that holds weights already is left alone. */
  static void fresh(Path folder) throws IOException {
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw new InputException(folder + ": is a file; expected a folder to write");
    }
    if (!Files.isDirectory(folder)) {
      return;
    }
    try (Stream<Path> entries = Files.list(folder)) {
      entries
          .filter(f -> f.toString().endsWith(".gguf") || f.toString().endsWith(".safetensors"))
          .sorted()
          .findFirst()
          .ifPresent(f -> {
            throw new InputException(
                folder + ": holds " + f.getFileName() + " already; expected a new folder");
          });
    }
  }

  static long bytes(Path folder) throws IOException {
    long bytes = 0;
    try (Stream<Path> entries = Files.list(folder)) {
      for (Path file : entries.toList()) {
        bytes += Files.isRegularFile(file) ? Files.size(file) : 0;
      }
    }
    return bytes;
  }
}
