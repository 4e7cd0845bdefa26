package dev.fovea.model.text;

/** How large a tokenizer file may be before it is refused; each is well above the largest public LLaMA-family file. */
final class Bounds {
  /** A {@code tokenizer.model}: LLaMA's has 0.5 MB, Gemma's 4 MB. */
  static final long MODEL_BYTES = 32L << 20;

  /** A JSON file: LLaMA's {@code tokenizer.json} has 2 MB, the largest in the family about 33 MB. */
  static final long JSON_BYTES = 64L << 20;

  /** Vocabulary entries, added tokens included. */
  static final int PIECES = 1 << 20;

  /** Characters of a piece that can be merged; SentencePiece trains at most 16 unless told otherwise. */
  static final int PIECE_CHARS = 256;

  /** Pairs that merge; LLaMA has 61,249. */
  static final int MERGES = 1 << 22;

  private Bounds() {}
}
