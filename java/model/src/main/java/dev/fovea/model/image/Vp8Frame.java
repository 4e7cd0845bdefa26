package dev.fovea.model.image;

import java.util.Arrays;

/**
 * One key frame of VP8, the lossy half of WebP, as RFC 6386 decodes it. The standard leaves open how the planes become RGB; that is done as
 * libwebp, and so Pillow, does: chroma interpolated between its four nearest samples, then BT.601 in fixed point.
 */
final class Vp8Frame {
  private static final int DC = 0;
  private static final int TM = 1;
  private static final int VE = 2;
  private static final int HE = 3;
  private static final int RD = 4;
  private static final int VR = 5;
  private static final int LD = 6;
  private static final int VL = 7;
  private static final int HD = 8;
  private static final int HU = 9;

  /** Two children a node; leaves are modes, as −1 − mode. Section 11.2. */
  private static final int[] BLOCK_MODES = {
    ~DC, 2, ~TM, 4, ~VE, 6, 8, 12, ~HE, 10, ~RD, ~VR, ~LD, 14, ~VL, 16, ~HD, ~HU
  };

  private static final int[] ZIGZAG = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};
  private static final int[] BANDS = {0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0};

  /** Probabilities of the extra bits of large values, categories 3 to 6. Section 13.2. */
  private static final int[][] LARGE = {
    {173, 148, 140},
    {176, 155, 140, 135},
    {180, 157, 141, 134, 130},
    {254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}
  };

  /** Dequantization factors: of the first coefficient and of the others. */
  private record Factors(int dc, int ac) {}

  /** What the macroblocks of one segment share. */
  private record Segment(Factors y, Factors y2, Factors uv, int level) {}

  private final Source source;
  private final int start;
  private final int end;
  private final int width;
  private final int height;
  private final int columns;
  private final int rows;
  private final Vp8Plane y;
  private final Vp8Plane u;
  private final Vp8Plane v;

  private final Segment[] segments = new Segment[4];
  private final int[] segmentTree = {255, 255, 255};
  private final int[] coefficientBits = Vp8Tables.COEFFICIENTS.clone();
  private boolean mapsSegments;
  private int skipBit;
  private int blockLevel;

  /** Modes of the blocks above and to the left; section 11.3. */
  private final int[] modesAbove;

  private final int[] modesLeft = new int[4];

  /** Whether blocks above and to the left have coefficients: four of Y, two of U, two of V, one of Y2. Section 13.3. */
  private final int[][] codedAbove;

  private final int[] codedLeft = new int[9];

  private final int[] modes = new int[16];
  private final int[] coefficients = new int[25 * 16];
  private final int[] edge = new int[13];
  private final int[] work = new int[16];

  private Vp8Frame(Source source, int start, int end, int width, int height) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.width = width;
    this.height = height;
    columns = (width + 15) / 16;
    rows = (height + 15) / 16;
    y = Vp8Plane.of(16 * columns, 16 * rows);
    u = Vp8Plane.of(8 * columns, 8 * rows);
    v = Vp8Plane.of(8 * columns, 8 * rows);
    modesAbove = new int[4 * columns];
    codedAbove = new int[columns][9];
  }

  /**
   * Decodes a frame whose ten header bytes were looked at.
   *
   * @param start its first byte
   * @param end behind its last byte
   */
  static Picture decode(Source source, int start, int end, int width, int height) {
    var frame = new Vp8Frame(source, start, end, width, height);
    frame.planes();
    return frame.rgb();
  }

  /** Sections 9.2 to 9.11, then all macroblocks, then the loop filter: prediction reads what is not filtered yet. */
  private void planes() {
    int at = start + 10;
    int first = source.u24le(start, "VP8 frame tag") >> 5;
    need(at, first, "VP8 first partition");
    var in = new Vp8Bits(source, "VP8 first partition", at, at + first);
    in.number(2); // colour space and clamping: decoders clamp anyway
    int[] quantizers = new int[4];
    int[] levels = new int[4];
    boolean segmented = in.flag();
    boolean absolute = false;
    if (segmented) {
      mapsSegments = in.flag();
      if (in.flag()) {
        absolute = in.flag();
        for (int i = 0; i < 4; i++) {
          quantizers[i] = in.optional(7);
        }
        for (int i = 0; i < 4; i++) {
          levels[i] = in.optional(6);
        }
      }
      for (int i = 0; mapsSegments && i < 3; i++) {
        segmentTree[i] = in.flag() ? in.number(8) : 255;
      }
    }
    boolean simple = in.flag();
    int level = in.number(6);
    var filter = new Vp8Filter(simple, in.number(3));
    int frameLevel = 0;
    boolean adjusted = in.flag();
    if (adjusted && in.flag()) {
      int[] deltas = new int[8];
      for (int i = 0; i < 8; i++) {
        deltas[i] = in.optional(6);
      }
      frameLevel = deltas[0]; // of blocks predicted within the frame, as all are
      blockLevel = deltas[4]; // of macroblocks predicted block by block
    }
    Vp8Bits[] partitions = partitions(at + first, 1 << in.number(2));
    int quantizer = in.number(7);
    int[] deltas = new int[5];
    for (int i = 0; i < 5; i++) {
      deltas[i] = in.optional(4);
    }
    for (int i = 0; i < 4; i++) {
      int q = segmented && absolute ? quantizers[i] : quantizer + quantizers[i];
      int l = segmented && absolute ? levels[i] : level + levels[i];
      segments[i] = segment(q, deltas, l + frameLevel);
    }
    in.flag(); // whether the probabilities outlive this frame
    for (int i = 0; i < coefficientBits.length; i++) {
      if (in.bit(Vp8Tables.COEFFICIENT_UPDATES[i]) == 1) {
        coefficientBits[i] = in.number(8);
      }
    }
    skipBit = in.flag() ? in.number(8) : 0;
    int[] filters = new int[rows * columns]; // level, and 64 where inner edges are filtered too
    for (int row = 0; row < rows; row++) {
      Arrays.fill(modesLeft, DC);
      Arrays.fill(codedLeft, 0);
      for (int column = 0; column < columns; column++) {
        filters[row * columns + column] =
            macroblock(in, partitions[row % partitions.length], column, row);
      }
    }
    for (int i = 0; level > 0 && i < filters.length; i++) {
      filter.apply(y, u, v, i % columns, i / columns, filters[i] & 63, filters[i] > 63);
    }
  }

  /** The partitions of coefficients behind the first one: three bytes of size each, but for the last. */
  private Vp8Bits[] partitions(int at, int count) {
    int sizes = 3 * (count - 1);
    need(at, sizes, "VP8 partition sizes");
    Vp8Bits[] partitions = new Vp8Bits[count];
    int from = at + sizes;
    for (int i = 0; i < count; i++) {
      String name = "VP8 partition " + (i + 1);
      int size = i < count - 1 ? source.u24le(at + 3 * i, name + " size") : end - from;
      need(from, size, name);
      partitions[i] = new Vp8Bits(source, name, from, from + size);
      from += size;
    }
    return partitions;
  }

  private void need(int at, int count, String field) {
    if (count > end - at) {
      throw source.bad(field + " at byte " + at, count + " bytes", end - at + " left in the chunk");
    }
  }

  /** Sections 9.6 and 14.1. */
  private static Segment segment(int q, int[] deltas, int level) {
    int[] dc = Vp8Tables.DC_FACTORS;
    int[] ac = Vp8Tables.AC_FACTORS;
    return new Segment(
        new Factors(dc[index(q + deltas[0])], ac[index(q)]),
        new Factors(
            2 * dc[index(q + deltas[1])], Math.max(8, ac[index(q + deltas[2])] * 155 / 100)),
        new Factors(Math.min(132, dc[index(q + deltas[3])]), ac[index(q + deltas[4])]),
        level);
  }

  private static int index(int q) {
    return Math.clamp(q, 0, 127);
  }

  /** Decodes one macroblock into the planes; how its edges are to be filtered. */
  private int macroblock(Vp8Bits in, Vp8Bits tokens, int column, int row) {
    int segment = 0;
    if (mapsSegments) {
      int high = in.bit(segmentTree[0]);
      segment = 2 * high + in.bit(segmentTree[1 + high]);
    }
    boolean skip = skipBit != 0 && in.bit(skipBit) == 1;
    boolean whole = in.bit(145) == 1;
    if (whole) {
      int mode = in.bit(156) == 1 ? in.bit(128) == 1 ? TM : HE : in.bit(163) == 1 ? VE : DC;
      Arrays.fill(modes, mode);
      Arrays.fill(modesLeft, mode);
      Arrays.fill(modesAbove, 4 * column, 4 * column + 4, mode);
    } else {
      for (int i = 0; i < 16; i++) {
        int above = modesAbove[4 * column + i % 4];
        int node = 0;
        while (node >= 0) {
          int p = Vp8Tables.BLOCK_MODES[(above * 10 + modesLeft[i / 4]) * 9 + node / 2];
          node = BLOCK_MODES[node + in.bit(p)];
        }
        modes[i] = ~node;
        modesLeft[i / 4] = modes[i];
        modesAbove[4 * column + i % 4] = modes[i];
      }
    }
    int chroma = in.bit(142) == 0 ? DC : in.bit(114) == 0 ? VE : in.bit(183) == 1 ? TM : HE;
    boolean coded = false;
    if (!skip) {
      coded = residuals(tokens, column, segments[segment], whole);
    } else {
      Arrays.fill(codedAbove[column], 0, whole ? 9 : 8, 0);
      Arrays.fill(codedLeft, 0, whole ? 9 : 8, 0);
      Arrays.fill(coefficients, 0);
    }
    if (whole) {
      predict(y, 16, column, row, modes[0]);
    }
    for (int i = 0; i < 16; i++) {
      int bx = 16 * column + 4 * (i % 4);
      int by = 16 * row + 4 * (i / 4);
      if (!whole) {
        predictBlock(bx, by, i, row);
      }
      addTransformed(y, bx, by, 16 * i);
    }
    predict(u, 8, column, row, chroma);
    predict(v, 8, column, row, chroma);
    for (int i = 0; i < 8; i++) {
      int x = 8 * column + 4 * (i % 2);
      addTransformed(i < 4 ? u : v, x, 8 * row + 4 * (i / 2 % 2), 16 * (16 + i));
    }
    int level = Math.clamp(segments[segment].level() + (whole ? 0 : blockLevel), 0, 63);
    return level + (coded || !whole ? 64 : 0);
  }

  /** Reads all coefficients of a macroblock; whether one is not 0. Section 13. */
  private boolean residuals(Vp8Bits in, int column, Segment segment, boolean whole) {
    Arrays.fill(coefficients, 0);
    int[] above = codedAbove[column];
    int first = 0;
    int kind = 3; // Y with its first coefficient
    if (whole) {
      int n = block(in, 1, above[8] + codedLeft[8], 0, segment.y2(), 24 * 16);
      above[8] = n > 0 ? 1 : 0;
      codedLeft[8] = above[8];
      spread();
      first = 1;
      kind = 0; // Y without it
    }
    boolean any = false;
    for (int i = 0; i < 24; i++) {
      // Y is 4 x 4 blocks, U and V 2 x 2 each.
      int a = i < 16 ? i % 4 : 4 + 2 * ((i - 16) / 4) + i % 2;
      int l = i < 16 ? i / 4 : 4 + 2 * ((i - 16) / 4) + i % 4 / 2;
      int n = i < 16
          ? block(in, kind, above[a] + codedLeft[l], first, segment.y(), 16 * i)
          : block(in, 2, above[a] + codedLeft[l], 0, segment.uv(), 16 * i);
      above[a] = n > (i < 16 ? first : 0) ? 1 : 0;
      codedLeft[l] = above[a];
      any |= n > 1 || coefficients[16 * i] != 0;
    }
    return any;
  }

  /** Reads one block's coefficients to {@code at}; the place behind the last token. */
  private int block(Vp8Bits in, int kind, int context, int first, Factors factors, int at) {
    int p = bits(kind, first, context);
    for (int n = first; n < 16; n++) {
      if (in.bit(coefficientBits[p]) == 0) {
        return n;
      }
      while (in.bit(coefficientBits[p + 1]) == 0) {
        n++;
        if (n == 16) {
          return 16;
        }
        p = bits(kind, n, 0);
      }
      int value = in.bit(coefficientBits[p + 2]) == 0 ? 1 : large(in, p);
      p = bits(kind, n + 1, value == 1 ? 1 : 2);
      int factor = n > 0 ? factors.ac() : factors.dc();
      coefficients[at + ZIGZAG[n]] = (in.flag() ? -value : value) * factor;
    }
    return 16;
  }

  private static int bits(int kind, int n, int context) {
    return ((kind * 8 + BANDS[n]) * 3 + context) * 11;
  }

  private int large(Vp8Bits in, int p) {
    if (in.bit(coefficientBits[p + 3]) == 0) {
      return in.bit(coefficientBits[p + 4]) == 0 ? 2 : 3 + in.bit(coefficientBits[p + 5]);
    }
    if (in.bit(coefficientBits[p + 6]) == 0) {
      if (in.bit(coefficientBits[p + 7]) == 0) {
        return 5 + in.bit(159);
      }
      int high = in.bit(165);
      return 7 + 2 * high + in.bit(145);
    }
    int high = in.bit(coefficientBits[p + 8]);
    int category = 2 * high + in.bit(coefficientBits[p + 9 + high]);
    int value = 0;
    for (int q : LARGE[category]) {
      value = 2 * value + in.bit(q);
    }
    return value + 3 + (8 << category);
  }

  /** The Y2 block becomes the first coefficients of the Y blocks: an inverse Walsh-Hadamard transform. Section 14.3. */
  private void spread() {
    int[] c = coefficients;
    int from = 24 * 16;
    for (int i = 0; i < 4; i++) {
      int a = c[from + i] + c[from + 12 + i];
      int b = c[from + 4 + i] + c[from + 8 + i];
      int d = c[from + 4 + i] - c[from + 8 + i];
      int e = c[from + i] - c[from + 12 + i];
      work[i] = a + b;
      work[4 + i] = e + d;
      work[8 + i] = a - b;
      work[12 + i] = e - d;
    }
    for (int i = 0; i < 16; i += 4) {
      int a = work[i] + work[i + 3] + 3;
      int b = work[i + 1] + work[i + 2];
      int d = work[i + 1] - work[i + 2];
      int e = work[i] - work[i + 3] + 3;
      c[16 * i] = (a + b) >> 3;
      c[16 * (i + 1)] = (e + d) >> 3;
      c[16 * (i + 2)] = (a - b) >> 3;
      c[16 * (i + 3)] = (e - d) >> 3;
    }
  }

  /** Adds the inverse cosine transform of one block to its prediction. Section 14.4. */
  private void addTransformed(Vp8Plane plane, int x, int top, int from) {
    int[] c = coefficients;
    for (int i = 0; i < 4; i++) {
      int a = c[from + i] + c[from + 8 + i];
      int b = c[from + i] - c[from + 8 + i];
      int d = sine(c[from + 4 + i]) - cosine(c[from + 12 + i]);
      int e = cosine(c[from + 4 + i]) + sine(c[from + 12 + i]);
      work[i] = a + e;
      work[4 + i] = b + d;
      work[8 + i] = b - d;
      work[12 + i] = a - e;
    }
    for (int i = 0; i < 4; i++) {
      int a = work[4 * i] + work[4 * i + 2] + 4;
      int b = work[4 * i] - work[4 * i + 2] + 4;
      int d = sine(work[4 * i + 1]) - cosine(work[4 * i + 3]);
      int e = cosine(work[4 * i + 1]) + sine(work[4 * i + 3]);
      add(plane, x, top + i, (a + e) >> 3);
      add(plane, x + 1, top + i, (b + d) >> 3);
      add(plane, x + 2, top + i, (b - d) >> 3);
      add(plane, x + 3, top + i, (a - e) >> 3);
    }
  }

  private static void add(Vp8Plane plane, int x, int y, int n) {
    plane.set(x, y, Math.clamp(plane.get(x, y) + n, 0, 255));
  }

  /** √2·cos(π/8) in 16 bits. */
  private static int cosine(int n) {
    return n + ((n * 20091) >> 16);
  }

  /** √2·sin(π/8) in 16 bits. */
  private static int sine(int n) {
    return (n * 35468) >> 16;
  }

  /** Predicts a macroblock's luma, or one chroma plane of it. Section 12.2. */
  private static void predict(Vp8Plane plane, int size, int column, int row, int mode) {
    int x0 = column * size;
    int y0 = row * size;
    int mean = 128;
    if (mode == DC && (column > 0 || row > 0)) {
      int sum = 0;
      for (int i = 0; i < size; i++) {
        sum += (row > 0 ? plane.get(x0 + i, y0 - 1) : 0)
            + (column > 0 ? plane.get(x0 - 1, y0 + i) : 0);
      }
      int count = row > 0 && column > 0 ? 2 * size : size;
      mean = (sum + count / 2) / count;
    }
    int corner = plane.get(x0 - 1, y0 - 1);
    for (int j = 0; j < size; j++) {
      int left = plane.get(x0 - 1, y0 + j);
      for (int i = 0; i < size; i++) {
        int above = plane.get(x0 + i, y0 - 1);
        plane.set(
            x0 + i,
            y0 + j,
            switch (mode) {
              case VE -> above;
              case HE -> left;
              case TM -> Math.clamp(left + above - corner, 0, 255);
              default -> mean;
            });
      }
    }
  }

  /**
   * Predicts one 4 × 4 block of luma from its edge: up the left side, the corner at 4, then eight samples above, of which the last four
   * belong to the block above to the right. Section 12.3.
   */
  private void predictBlock(int x0, int y0, int i, int row) {
    int[] e = edge;
    for (int k = 0; k < 4; k++) {
      e[3 - k] = y.get(x0 - 1, y0 + k);
      e[5 + k] = y.get(x0 + k, y0 - 1);
    }
    e[4] = y.get(x0 - 1, y0 - 1);
    // The blocks on the right take the row above the macroblock; beyond the frame its last sample
    // is repeated.
    int above = i % 4 == 3 ? 16 * row - 1 : y0 - 1;
    int last = row == 0 ? Integer.MAX_VALUE : 16 * columns - 1;
    for (int k = 4; k < 8; k++) {
      e[5 + k] = row == 0 && (i < 4 || i % 4 == 3) ? 127 : y.get(Math.min(x0 + k, last), above);
    }
    int mode = modes[i];
    int mean = 4;
    for (int k = 0; k < 4; k++) {
      mean += e[k] + e[5 + k];
    }
    for (int j = 0; j < 4; j++) {
      for (int k = 0; k < 4; k++) {
        int n = k + 2 * j;
        int value = switch (mode) {
          case DC -> mean >> 3;
          case TM -> Math.clamp(e[3 - j] + e[5 + k] - e[4], 0, 255);
          case VE -> smooth(5 + k);
          case HE -> j == 3 ? (e[1] + 3 * e[0] + 2) >> 2 : smooth(3 - j);
          case RD -> smooth(4 + k - j);
          case LD -> k + j == 6 ? (e[11] + 3 * e[12] + 2) >> 2 : smooth(6 + k + j);
          case VR ->
            j < 2 || k > 0
                ? j % 2 == 0 ? between(4 + k - j / 2) : smooth(4 + k - j / 2)
                : smooth(5 - j);
          case VL ->
            k < 3 || j < 2
                ? j % 2 == 0 ? between(5 + k + j / 2) : smooth(6 + k + j / 2)
                : smooth(8 + j);
          case HD ->
            k - 2 * j > 1
                ? smooth(3 + k)
                : k % 2 == 0 ? between(3 - j + k / 2) : smooth(4 - j + k / 2);
          default ->
            n > 5
                ? e[0]
                : n == 5
                    ? (e[1] + 3 * e[0] + 2) >> 2
                    : n % 2 == 0 ? between(2 - n / 2) : smooth(2 - n / 2);
        };
        y.set(x0 + k, y0 + j, value);
      }
    }
  }

  /** The edge at a place, weighted 1, 2, 1 with its neighbours. */
  private int smooth(int at) {
    return (edge[at - 1] + 2 * edge[at] + edge[at + 1] + 2) >> 2;
  }

  /** The mean of the edge at a place and the next. */
  private int between(int at) {
    return (edge[at] + edge[at + 1] + 1) >> 1;
  }

  private Picture rgb() {
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int at = 0;
    for (int j = 0; j < height; j++) {
      for (int i = 0; i < width; i++) {
        int luma = (19077 * y.get(i, j)) >> 8;
        int blue = chroma(u, i, j);
        int red = chroma(v, i, j);
        rgb[at] = sample(luma + ((26149 * red) >> 8) - 14234);
        rgb[at + 1] = sample(luma - ((6419 * blue) >> 8) - ((13320 * red) >> 8) + 8708);
        rgb[at + 2] = sample(luma + ((33050 * blue) >> 8) - 17685);
        at += 3;
      }
    }
    return new Picture(width, height, rgb);
  }

  /** Chroma at a pixel: nine sixteenths of the nearest sample, three of each next one, one of that across; repeated at the border. */
  private int chroma(Vp8Plane plane, int x, int y) {
    int nearX = x / 2;
    int nearY = y / 2;
    int farX = Math.clamp(x % 2 == 0 ? nearX - 1 : nearX + 1, 0, (width - 1) / 2);
    int farY = Math.clamp(y % 2 == 0 ? nearY - 1 : nearY + 1, 0, (height - 1) / 2);
    int sum = 9 * plane.get(nearX, nearY)
        + 3 * (plane.get(farX, nearY) + plane.get(nearX, farY))
        + plane.get(farX, farY);
    return (sum + 8) >> 4;
  }

  /** From six bits of fraction. */
  private static byte sample(int n) {
    return (byte) Math.clamp(n >> 6, 0, 255);
  }
}
