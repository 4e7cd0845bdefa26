package dev.fovea.weights;

/**
 * How a checkpoint packs its linear maps into words of eight four-bit numbers, 128 inputs sharing a scale and a zero point. The map
 * that would be {@code NAME.weight} [out, in] is instead {@code NAME.qweight}, {@code NAME.qzeros} and {@code NAME.scales}
 * [in/128, out]; w = scale · (q − zero).
 *
 * <ul>
 *   <li>AWQ (the {@code gemm} version): qweight [in, out/8], qzeros [in/128, out/8]. Nibble k of a word, counted from the lowest,
 *       belongs to its output 0, 2, 4, 6, 1, 3, 5, 7 (AutoAWQ, awq/utils/packing_utils.py).
 *   <li>GPTQ: qweight [in/8, out], a word being eight inputs in order; qzeros [in/128, out/8], eight outputs in order. The first
 *       format stores zero points less one, modulo 16; the second, {@code gptq_v2}, as they are. {@code NAME.g_idx} [in] names the
 *       group of each input; only the plain order i/128 is read (GPTQModel, gptqmodel/utils/model.py).
 * </ul>
 */
public enum Packing {
  AWQ,
  /** The same where zero_point is false: qzeros may be absent, and all zero points are then 8. */
  AWQ_SYMMETRIC,
  GPTQ,
  GPTQ_V2;

  boolean isAwq() {
    return this == AWQ || this == AWQ_SYMMETRIC;
  }

  /** The zero point that a stored nibble stands for. */
  int zero(int nibble) {
    return this == GPTQ ? (nibble + 1) & 15 : nibble;
  }
}
