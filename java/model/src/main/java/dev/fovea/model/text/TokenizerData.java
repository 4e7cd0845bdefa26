package dev.fovea.model.text;

import java.util.List;

/**
 * A score-driven vocabulary as {@code tokenizer.model} and GGUF metadata hold it. The arrays are parallel, index = token id; they
 * are not copied, so leave them alone after handing them over.
 *
 * @param pieces                 {@code tokenizer.ggml.tokens}: text with U+2581 for a space, {@code <0x0A>} for bytes
 * @param scores                 {@code tokenizer.ggml.scores}: the highest merges first
 * @param types                  {@code tokenizer.ggml.token_type}
 * @param bos                    id of the begin token, or -1
 * @param eos                    id of the end token, or -1
 * @param unk                    id of the unknown token, or -1
 * @param pad                    id of the padding token, or -1
 * @param addBos                 {@code tokenizer.ggml.add_bos_token}: prompts begin with {@code bos}
 * @param addSpacePrefix         {@code tokenizer.ggml.add_space_prefix}: text gets one space in front (SentencePiece: add_dummy_prefix)
 * @param legacy                 that space is added again after each added token, not only where the text starts
 * @param byteFallback           a character without a piece becomes its UTF-8 bytes
 * @param removeExtraWhitespaces leading, trailing and repeated spaces are dropped (LLaMA: false)
 * @param added                  attributes of added tokens that are not plain; every control and user-defined piece is one anyway
 */
@SuppressWarnings(
    "ArrayRecordComponent") // 32,000 entries of three kinds, as the files hold them; never compared
public record TokenizerData(
    String[] pieces,
    float[] scores,
    PieceType[] types,
    int bos,
    int eos,
    int unk,
    int pad,
    boolean addBos,
    boolean addSpacePrefix,
    boolean legacy,
    boolean byteFallback,
    boolean removeExtraWhitespaces,
    List<AddedToken> added) {

  /** The same with another {@code legacy}. */
  public TokenizerData withLegacy(boolean value) {
    return new TokenizerData(
        pieces,
        scores,
        types,
        bos,
        eos,
        unk,
        pad,
        addBos,
        addSpacePrefix,
        value,
        byteFallback,
        removeExtraWhitespaces,
        added);
  }
}
