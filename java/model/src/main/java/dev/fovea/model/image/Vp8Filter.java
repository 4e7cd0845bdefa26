package dev.fovea.model.image;

/**
 * The loop filter of VP8, which smooths the edges between blocks of a decoded frame. RFC 6386, section 15.
 *
 * @param simple luma alone, two samples at an edge
 * @param sharpness 0 to 7: how far the interior limit is lowered
 */
record Vp8Filter(boolean simple, int sharpness) {

  /**
   * Filters one macroblock's left and upper edge and, if {@code inner}, those between its blocks.
   *
   * @param level 0 to 63; 0 filters nothing
   */
  void apply(Vp8Plane y, Vp8Plane u, Vp8Plane v, int column, int row, int level, boolean inner) {
    if (level == 0) {
      return;
    }
    int interior = level;
    if (sharpness > 0) {
      interior = Math.min(interior >> (sharpness > 4 ? 2 : 1), 9 - sharpness);
    }
    interior = Math.max(interior, 1);
    int limit = 2 * level + interior;
    int variance = level >= 40 ? 2 : level >= 15 ? 1 : 0; // a key frame's "high edge variance"
    for (int i = 0; i < (simple ? 1 : 3); i++) {
      Vp8Plane plane = i == 0 ? y : i == 1 ? u : v;
      int size = i == 0 ? 16 : 8;
      int at = plane.at(column * size, row * size);
      if (column > 0) {
        edge(plane.samples(), at, 1, plane.stride(), size, limit + 4, interior, variance, true);
      }
      for (int x = 4; inner && x < size; x += 4) {
        edge(plane.samples(), at + x, 1, plane.stride(), size, limit, interior, variance, false);
      }
      if (row > 0) {
        edge(plane.samples(), at, plane.stride(), 1, size, limit + 4, interior, variance, true);
      }
      for (int d = 4; inner && d < size; d += 4) {
        int below = at + d * plane.stride();
        edge(plane.samples(), below, plane.stride(), 1, size, limit, interior, variance, false);
      }
    }
  }

  /**
   * One edge.
   *
   * @param at the first sample behind it
   * @param across from one side to the other
   * @param along to the next sample behind it
   */
  private void edge(
      byte[] s,
      int at,
      int across,
      int along,
      int size,
      int limit,
      int interior,
      int variance,
      boolean macroblock) {
    for (int i = 0, q = at; i < size; i++, q += along) {
      int p1 = s[q - 2 * across] & 0xFF;
      int p0 = s[q - across] & 0xFF;
      int q0 = s[q] & 0xFF;
      int q1 = s[q + across] & 0xFF;
      if (4 * Math.abs(p0 - q0) + Math.abs(p1 - q1) > 2 * limit + 1) {
        continue;
      }
      if (simple) {
        narrow(s, q, across, true);
        continue;
      }
      int p2 = s[q - 3 * across] & 0xFF;
      int q2 = s[q + 2 * across] & 0xFF;
      if (Math.abs((s[q - 4 * across] & 0xFF) - p2) > interior
          || Math.abs(p2 - p1) > interior
          || Math.abs(p1 - p0) > interior
          || Math.abs((s[q + 3 * across] & 0xFF) - q2) > interior
          || Math.abs(q2 - q1) > interior
          || Math.abs(q1 - q0) > interior) {
        continue;
      }
      if (Math.abs(p1 - p0) > variance || Math.abs(q1 - q0) > variance) {
        narrow(s, q, across, true);
      } else if (macroblock) {
        int w = byteRange(3 * (q0 - p0) + byteRange(p1 - q1));
        for (int d = 0, weight = 27; d < 3; d++, weight -= 9) {
          int a = (weight * w + 63) >> 7;
          add(s, q - (d + 1) * across, a);
          add(s, q + d * across, -a);
        }
      } else {
        int a = (narrow(s, q, across, false) + 1) >> 1;
        add(s, q - 2 * across, a);
        add(s, q + across, -a);
      }
    }
  }

  /** Moves the two samples at an edge towards each other; by how much the one behind it. */
  private static int narrow(byte[] s, int q, int across, boolean outer) {
    int step = (s[q - 2 * across] & 0xFF) - (s[q + across] & 0xFF);
    int a = byteRange(3 * ((s[q] & 0xFF) - (s[q - across] & 0xFF)) + (outer ? byteRange(step) : 0));
    int behind = Math.min(a + 4, 127) >> 3;
    add(s, q, -behind);
    add(s, q - across, Math.min(a + 3, 127) >> 3);
    return behind;
  }

  private static int byteRange(int n) {
    return Math.clamp(n, -128, 127);
  }

  private static void add(byte[] s, int at, int n) {
    s[at] = (byte) Math.clamp((s[at] & 0xFF) + n, 0, 255);
  }
}
