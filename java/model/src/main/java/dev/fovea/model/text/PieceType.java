package dev.fovea.model.text;

import dev.fovea.error.InputException;

/** What a vocabulary entry is. The codes are those of SentencePiece's {@code ModelProto} and of GGUF's {@code token_type}. */
public enum PieceType {
  NORMAL(1),
  UNKNOWN(2),
  CONTROL(3),
  USER_DEFINED(4),
  UNUSED(5),
  BYTE(6);

  private final int code;

  PieceType(int code) {
    this.code = code;
  }

  public int code() {
    return code;
  }

  /**
   * The type with a code.
   *
   * @throws InputException if no type has this code
   */
  public static PieceType of(int code) {
    for (PieceType type : values()) {
      if (type.code == code) {
        return type;
      }
    }
    throw InputException.mismatch("token type", "1 to 6", code);
  }

  /** Whether pieces of this type can come out of merging characters. */
  boolean mergeable() {
    return this == NORMAL || this == UNUSED;
  }
}
