package dev.fovea.tools;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import dev.fovea.model.text.AddedToken;
import dev.fovea.model.text.PieceType;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.model.text.TokenizerData;
import dev.fovea.weights.convert.TokenizerDescription;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** LLaMA's vocabulary for checkpoints made from nothing. */
public final class LlamaVocabulary {
  /** llama.cpp's score for an id that stands for nothing. */
  private static final float NO_SCORE = -1000;

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
   * A tokenizer as GGUF holds it; ids up to the number of embedding rows stand for nothing.
   *
   * @throws InputException if the table has fewer rows than the tokenizer ids
   */
  public static TokenizerDescription description(Tokenizer tokenizer, int vocabulary) {
    TokenizerData data = tokenizer.data();
    if (data.pieces().length > vocabulary) {
      throw new InputException("the tokenizer has " + data.pieces().length
          + " ids, the embedding table " + vocabulary + " rows");
    }
    List<String> pieces = new ArrayList<>(List.of(data.pieces()));
    List<Float> scores = new ArrayList<>();
    List<Integer> types = new ArrayList<>();
    for (int i = 0; i < data.pieces().length; i++) {
      scores.add(data.scores()[i]);
      types.add(data.types()[i].code());
    }
    for (int i = pieces.size(); i < vocabulary; i++) {
      pieces.add("[PAD" + i + "]"); // llama.cpp's name for such an id
      scores.add(NO_SCORE);
      types.add(PieceType.UNUSED.code());
    }
    return new TokenizerDescription(
        pieces,
        scores,
        types,
        data.bos(),
        data.eos(),
        data.unk(),
        data.pad(),
        data.addBos(),
        data.addSpacePrefix(),
        null);
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
