package dev.fovea.model.text;

/**
 * When a space is put in front of text before merging.
 *
 * @param scope     in front of which pieces of the text (added tokens cut it into pieces)
 * @param metaspace Hugging Face's Metaspace rule: applied after added tokens were cut out, and not before a piece that starts with a
 *                  space already; otherwise SentencePiece's rule, unconditional
 * @param onTokens  a normalizer that puts the space there, and so does it to the text of normalized added tokens too
 */
record Prefix(Scope scope, boolean metaspace, boolean onTokens) {
  enum Scope {
    /** Every piece. */
    ALWAYS,
    /** Only a piece at the very start of the text. */
    FIRST,
    NEVER
  }

  boolean wanted(boolean first) {
    return scope == Scope.ALWAYS || (scope == Scope.FIRST && first);
  }
}
