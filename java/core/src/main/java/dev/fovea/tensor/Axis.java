package dev.fovea.tensor;

/** The named axes; the legend in words is {@code docs/axes.md}. The same letters are used in Java, C++, CUDA and OpenCL. */
public enum Axis {
  /** Tokens: the rows of one run. */
  T,
  /** Rows picked out of T, e.g. those whose logits are wanted. */
  R,
  /** Model width of the decoder. */
  D,
  /** Query heads. */
  H,
  /** Key/value heads. */
  KH("Hk"),
  /** Width of one head. */
  DH("Dh"),
  /** Width of the feed-forward layer. */
  F,
  /** Vocabulary. */
  V,
  /** Rows of the vision tower: class token and patches. */
  N,
  /** Width of the vision tower. */
  E,
  /** Image patches. */
  P,
  /** Colour channels. */
  C,
  /** Picture rows. */
  Y,
  /** Picture columns. */
  X,
  /** Image feature rows that a prompt can splice in. */
  M,
  /** Pages of the KV pool. */
  PG("Pg"),
  /** Positions in a page. */
  PS("Ps"),
  /** Sequences in a batch. */
  B,
  /** Entries of a page table. */
  MP("Mp"),
  /** Positions that the record of a sequence's tokens has room for. */
  MT("Mt"),
  /** Inputs of a linear map, where nothing more specific fits. */
  I,
  /** Outputs of a linear map, where nothing more specific fits. */
  O;

  private final String label;

  Axis() {
    this.label = name();
  }

  Axis(String label) {
    this.label = label;
  }

  @Override
  public String toString() {
    return label;
  }
}
