package dev.fovea.tools;

import dev.fovea.error.FileException;
import dev.fovea.model.text.AddedToken;
import dev.fovea.model.text.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** LLaMA's vocabulary for checkpoints made from nothing. */
public final class LlamaVocabulary {
  private LlamaVocabulary() {}

  /**
   * LLaMA's tokenizer with the tokens that LLaVA adds, as far as there is room.
   *
   * @param vocabulary rows of the embedding table
   * @param original as the original LLaVA code marks pictures, which is not as Hugging Face does
   */
  public static Tokenizer tokenizer(int vocabulary, boolean original) {
    Tokenizer llama = Tokenizer.llama();
    List<String> added =
        original ? List.of("<im_patch>", "<im_start>", "<im_end>") : List.of("<image>", "<pad>");
    int room = Math.max(0, vocabulary - llama.size());
    return llama.withAdded(
        true, added.subList(0, Math.min(room, added.size())).toArray(String[]::new));
  }

  /**
   * Writes tokenizer.model and tokenizer_config.json.
   *
   * @throws FileException if the folder cannot be written
   */
  public static void write(Path folder, Tokenizer tokenizer) {
    ObjectNode config = JsonMapper.shared().createObjectNode();
    config.put("tokenizer_class", "LlamaTokenizer");
    config.put("add_bos_token", true);
    config.put("add_eos_token", false);
    config.put("bos_token", "<s>");
    config.put("eos_token", "</s>");
    config.put("unk_token", "<unk>");
    config.put("legacy", true);
    ObjectNode added = config.putObject("added_tokens_decoder");
    for (AddedToken token : tokenizer.added()) {
      added
          .putObject(Integer.toString(token.id()))
          .put("content", token.content())
          .put("lstrip", token.lstrip())
          .put("normalized", token.normalized())
          .put("rstrip", token.rstrip())
          .put("single_word", token.singleWord())
          .put("special", token.special());
    }
    Path model = folder.resolve("tokenizer.model");
    try (InputStream in = Tokenizer.class.getResourceAsStream("llama/tokenizer.model")) {
      if (in == null) {
        throw new FileException(model, "this build lacks LLaMA's vocabulary");
      }
      Files.write(model, in.readAllBytes());
      Files.writeString(folder.resolve("tokenizer_config.json"), config.toPrettyString() + "\n");
    } catch (IOException e) {
      throw new FileException(model, "cannot be written: " + e.getMessage(), e);
    }
  }
}
