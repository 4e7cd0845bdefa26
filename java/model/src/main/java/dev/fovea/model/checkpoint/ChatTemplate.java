package dev.fovea.model.checkpoint;

import dev.fovea.error.FileException;
import dev.fovea.weights.GgufFile;
import dev.fovea.weights.TensorFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The Jinja template that a checkpoint brings for its conversations. Fovea writes prompts by {@code fovea.template} and does not read it,
 * but programs that open a converted file do: without it llama.cpp writes ChatML, which LLaVA models never saw.
 */
final class ChatTemplate {
  private static final String KEY = "tokenizer.chat_template";
  private static final long MOST_BYTES = 1 << 20; // the largest known ones have some ten kilobytes

  private ChatTemplate() {}

  /** The model's template, or null; of several under names, none. */
  static @Nullable String of(LoadedModel model) {
    for (TensorFile file : model.weights().checkpoint().files()) {
      if (file instanceof GgufFile gguf && gguf.has(KEY)) {
        return gguf.text(KEY);
      }
    }
    Path jinja = model.path().resolve("chat_template.jinja");
    if (Files.exists(jinja)) {
      return read(jinja);
    }
    for (String name : new String[] {"chat_template.json", "tokenizer_config.json"}) {
      Path file = model.path().resolve(name);
      if (Files.exists(file)) {
        Fields fields = Fields.read(file);
        if (fields.isText("chat_template")) {
          return fields.text("chat_template");
        }
      }
    }
    return null;
  }

  private static String read(Path file) {
    try {
      long size = Files.size(file);
      if (size > MOST_BYTES) {
        throw FileException.mismatch(file, "file size", "at most " + MOST_BYTES + " bytes", size);
      }
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read as UTF-8: " + e.getMessage(), e);
    }
  }
}
