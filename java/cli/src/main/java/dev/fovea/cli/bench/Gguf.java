package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The files of a GGUF pair, which other programs read too.
 *
 * @param mmproj null if there is none
 */
public record Gguf(Path decoder, @Nullable Path mmproj) {

  /**
   * The pair that a path and a flag name.
   *
   * @throws InputException if it is another form of checkpoint
   */
  public static Gguf of(Path model, @Nullable Path mmproj) {
    Path folder = Files.isDirectory(model) ? model : model.toAbsolutePath().getParent();
    List<Path> files;
    try (Stream<Path> all = Files.list(folder)) {
      files = all.filter(f -> f.toString().endsWith(".gguf")).sorted().toList();
    } catch (IOException e) {
      throw new InputException(folder + " cannot be listed: " + e.getMessage());
    }
    Path vision = mmproj != null
        ? mmproj
        : files.stream().filter(Gguf::isVision).findFirst().orElse(null);
    if (!Files.isDirectory(model)) {
      return new Gguf(model, vision);
    }
    Path decoder = files.stream()
        .filter(f -> !isVision(f))
        .findFirst()
        .orElseThrow(() -> new InputException(model
            + " holds no GGUF file, which is what llama.cpp opens: ./fovea quantize makes one"));
    return new Gguf(decoder, vision);
  }

  private static boolean isVision(Path file) {
    return file.getFileName().toString().startsWith("mmproj");
  }
}
