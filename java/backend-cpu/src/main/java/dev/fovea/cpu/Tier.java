package dev.fovea.cpu;

import dev.fovea.error.InputException;
import java.util.Arrays;
import java.util.Locale;

/** Instruction sets, each including those before it of its architecture; the ABI's {@code fovea_cpu_tier}. */
enum Tier {
  SCALAR(0),
  AVX2(1),
  AVX512(2),
  AVX512_BF16(3),
  NEON(4),
  NEON_DOTPROD(5),
  NEON_I8MM(6);

  private final int code;

  Tier(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  static Tier of(int code) {
    return values()[code];
  }

  /** Whether a machine with this tier has that one too. */
  boolean includes(Tier other) {
    return other == SCALAR || (other.isArm() == isArm() && other.compareTo(this) <= 0);
  }

  private boolean isArm() {
    return compareTo(NEON) >= 0;
  }

  static Tier parse(String label) {
    for (Tier t : values()) {
      if (t.label().equals(label)) {
        return t;
      }
    }
    throw new InputException("unknown cpu tier '" + label + "': expected one of "
        + Arrays.stream(values()).map(Tier::label).toList());
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
