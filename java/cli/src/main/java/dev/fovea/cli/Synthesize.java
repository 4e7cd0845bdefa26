package dev.fovea.cli;

import dev.fovea.model.text.Tokenizer;
import dev.fovea.tensor.DType;
import dev.fovea.tools.LlamaVocabulary;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.synth.Synth;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fovea synth}. */
@Command(
    description = {
      "Writes a checkpoint of seeded random numbers in a known shape, to measure speed and memory",
      "without real weights. Names: llava-1.5-7b, chatspot-7b, tiny, tiny-linear.",
      ""
    })
final class Synthesize implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Parameters(paramLabel = "NAME", description = "The shape.")
  String name = "";

  @Option(
      names = "--quant",
      paramLabel = "TYPE",
      description = "Element type: q4_0, q8_0, f16, bf16 or f32; q4_0 if absent, bf16 with --hf.")
  @Nullable
  String quant;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "DIR",
      required = true,
      description = "The folder to write, which must not hold a model.")
  @Nullable
  Path out;

  @Option(
      names = {"-s", "--seed"},
      paramLabel = "N",
      description = "The same seed gives the same bytes.")
  long seed = 1;

  @Option(names = "--hf", description = "Write a Hugging Face folder in place of a GGUF pair.")
  boolean hf;

  @Option(
      names = "--exact",
      description =
          "Quantize the numbers of the unquantized checkpoint; slower than random blocks.")
  boolean exact;

  private final Shell shell;

  Synthesize(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    Path folder = out == null ? Path.of(name) : out;
    ModelShape shape = ModelShape.named(name);
    String given = quant == null ? (hf ? "bf16" : "q4_0") : quant;
    DType dtype = Quantize.dtype("--quant", given);
    Quantize.fresh(folder);
    Files.createDirectories(folder);
    int vocabulary = shape.text().vocabulary();
    Tokenizer tokenizer = LlamaVocabulary.tokenizer(vocabulary, shape.linearProjector());
    Progress progress = new Progress(shell);
    Synth synth = new Synth(shape, seed, progress::at);
    if (hf) {
      synth.writeDirectory(folder, dtype);
      LlamaVocabulary.write(folder, tokenizer);
    } else {
      String label = dtype.label().toLowerCase(Locale.ROOT);
      synth.writeGguf(
          folder.resolve(name + "-" + label + ".gguf"),
          folder.resolve("mmproj-" + name + "-f16.gguf"),
          dtype,
          LlamaVocabulary.description(tokenizer, vocabulary),
          exact ? Synth.Fill.EXACT : Synth.Fill.BLOCKS);
    }
    progress.end();
    shell.err().println("wrote " + folder + ": " + Sizes.bytes(Quantize.bytes(folder)));
    return 0;
  }
}
