package dev.fovea.weights.convert;

import dev.fovea.error.InputException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A SentencePiece vocabulary as GGUF stores it. The lists are parallel, index = token id.
 *
 * @param pieces text with U+2581 for a space, {@code <0x0A>} for bytes
 * @param scores the highest merges first
 * @param types 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param bos id that prompts begin with
 * @param eos id that ends an answer
 * @param unk id of the unknown token
 * @param pad id of the padding token, or −1
 * @param chatTemplate a Jinja template, or null
 */
public record TokenizerDescription(
    List<String> pieces,
    List<Float> scores,
    List<Integer> types,
    int bos,
    int eos,
    int unk,
    int pad,
    boolean addBos,
    boolean addSpacePrefix,
    @Nullable String chatTemplate) {

  public TokenizerDescription {
    pieces = List.copyOf(pieces);
    scores = List.copyOf(scores);
    types = List.copyOf(types);
    if (pieces.size() != scores.size() || pieces.size() != types.size()) {
      throw new InputException("a vocabulary has as many pieces as scores and types: "
          + pieces.size() + ", " + scores.size() + ", " + types.size());
    }
  }
}
