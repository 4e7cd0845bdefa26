package dev.fovea.cpu;

import dev.fovea.error.InputException;
import java.util.Arrays;
import java.util.Locale;

/** Instruction sets, each including those before it; the ABI's {@code fovea_cpu_tier}. */
enum Tier {
  SCALAR,
  AVX2,
  AVX512,
  AVX512_BF16;

  static Tier of(int code) {
    return values()[code];
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
