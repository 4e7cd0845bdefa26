package dev.fovea.model.image;

/** The boolean entropy decoder of VP8: bits of unequal probability, coded as an interval. RFC 6386, section 7.3. */
final class Vp8Bits {
  /** Zeros that a decoder may look at beyond the last byte; more were never coded. */
  private static final int MAX_BEYOND = 2;

  private final Source source;
  private final String what;
  private final int end;
  private int at;
  private int value;
  private int range = 255;

  /** Bits of {@code value} below the eight that are compared. */
  private int extra;

  /**
   * @param what the partition's name in errors
   * @param at its first byte
   * @param end behind its last byte
   */
  Vp8Bits(Source source, String what, int at, int end) {
    this.source = source;
    this.what = what;
    this.at = at;
    this.end = end;
    this.value = next();
  }

  private int next() {
    int here = at++;
    if (here < end) {
      return source.array()[here] & 0xFF;
    }
    if (here >= end + MAX_BEYOND) {
      throw source.bad(what + " at byte " + end, "more bytes", "its end");
    }
    return 0;
  }

  /** A bit that is 0 with probability {@code p}/256. */
  int bit(int p) {
    if (extra < 0) {
      value = (value << 8) | next();
      extra += 8;
    }
    int split = 1 + (((range - 1) * p) >> 8);
    int bit = value >= (split << extra) ? 1 : 0;
    if (bit == 1) {
      value -= split << extra;
      range -= split;
    } else {
      range = split;
    }
    int shift = Integer.numberOfLeadingZeros(range) - 24; // until the range is at least 128 again
    range <<= shift;
    extra -= shift;
    return bit;
  }

  boolean flag() {
    return bit(128) == 1;
  }

  /** An unsigned number, the highest bit first. */
  int number(int bits) {
    int n = 0;
    for (int i = 0; i < bits; i++) {
      n = 2 * n + bit(128);
    }
    return n;
  }

  /** A magnitude and then its sign. */
  int signed(int bits) {
    int n = number(bits);
    return flag() ? -n : n;
  }

  /** As {@link #signed} behind a flag; 0 without it. */
  int optional(int bits) {
    return flag() ? signed(bits) : 0;
  }
}
