package dev.fovea.model.text;

import java.nio.charset.StandardCharsets;

/** The strings the goldens were made of; keep equal to {@code string} in weights-tools/golden/tokenizer_goldens.py. */
final class TestStrings {
  private static final int[][] RANGES = {
    {0x20, 0x7E},
    {0x20, 0x7E},
    {0xA0, 0x17F},
    {0x370, 0x3FF},
    {0x400, 0x4FF},
    {0x590, 0x5FF},
    {0x600, 0x6FF},
    {0x900, 0x97F},
    {0xE00, 0xE7F},
    {0x1100, 0x11FF},
    {0x2000, 0x206F},
    {0x2190, 0x21FF},
    {0x2580, 0x259F},
    {0x3040, 0x30FF},
    {0x4E00, 0x9FFF},
    {0xAC00, 0xD7A3},
    {0xFE00, 0xFE0F},
    {0x1F300, 0x1F64F},
    {0x1F900, 0x1F9FF},
    {0x20000, 0x2A6DF},
    {0x300, 0x36F},
    {0x1F1E6, 0x1F1FF},
  };
  private static final int[] SPACES = {
    0x20, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0x0B, 0x0C, 0xA0, 0x3000, 0x2003, 0x85
  };
  private static final String[] WORDS =
      ("the picture shows a small dog on red grass What is in this region box point Please describe USER: ASSISTANT: "
              + "Assistant Human ### 0.12, 0.34, [0.5, 0.25] 123 4567890 don't can't it's http://example.org/a?b=c&d=e "
              + "int main(void) {return 0;} übergröße café naïve привет мир 你好 世界 これは 한국어 مرحبا שלום नमस्ते")
          .split(" ");
  private static final String[] MARKS = {
    "</s>",
    "<s>",
    "<unk>",
    "<image>",
    "<box>",
    "</box>",
    "<im_start>",
    "<im_end>",
    "<pad>",
    "<0x0A>",
    "[INST]"
  };

  private final Tokenizer vocabulary;
  private final StringBuilder out = new StringBuilder();
  private long state;

  private TestStrings(long seed, int index, Tokenizer vocabulary) {
    this.state = seed * 1_000_003 + index;
    this.vocabulary = vocabulary;
  }

  static String string(long seed, int index) {
    TestStrings strings = new TestStrings(seed, index, Tokenizer.llama());
    int parts = 1 + strings.below(3);
    for (int i = 0; i < parts; i++) {
      strings.part(strings.below(12));
    }
    return strings.out.toString();
  }

  /** Token ids, mostly bytes; equal to {@code id_sequence} in the script. */
  static int[] ids(long seed, int index) {
    TestStrings random = new TestStrings(seed, index, Tokenizer.llama());
    int[] ids = new int[random.below(60)];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = random.below(4) != 0 ? 3 + random.below(256) : 1 + random.below(31_999);
    }
    return ids;
  }

  /** FNV-1a of the UTF-8 bytes. */
  static long hash(String text) {
    long h = 0xCBF29CE484222325L;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * 0x100000001B3L;
    }
    return h;
  }

  /** FNV-1a of the ids as varints. */
  static long hash(int[] ids) {
    long h = 0xCBF29CE484222325L;
    for (int id : ids) {
      int rest = id;
      while (rest >= 0x80) {
        h = (h ^ ((rest & 0x7f) | 0x80)) * 0x100000001B3L;
        rest >>>= 7;
      }
      h = (h ^ rest) * 0x100000001B3L;
    }
    return h;
  }

  private long next() {
    state += 0x9E3779B97F4A7C15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  private int below(int n) {
    return (int) ((next() >>> 1) % n);
  }

  private void scalar(int low, int high) {
    out.appendCodePoint(low + below(high - low + 1));
  }

  private void part(int kind) {
    switch (kind) {
      case 0 -> {
        int n = 1 + below(12);
        for (int i = 0; i < n; i++) {
          out.append(i == 0 ? "" : " ").append(WORDS[below(WORDS.length)]);
        }
      }
      case 1 -> times(below(60), () -> scalar(0x20, 0x7E));
      case 2 ->
        times(below(30), () -> {
          int c = below(0x110000 - 0x800);
          out.appendCodePoint(c < 0xD800 ? c : c + 0x800);
        });
      case 3 ->
        times(1 + below(6), () -> {
          scalar(0x1F300, 0x1F64F);
          if (below(3) == 0) {
            scalar(0x1F3FB, 0x1F3FF);
          }
          if (below(3) == 0) {
            out.append('\u200d');
          }
          if (below(4) == 0) {
            out.append('\ufe0f');
          }
        });
      case 4 ->
        times(below(20), () -> {
          if (below(8) != 0) {
            scalar(0, 0x1F);
          } else {
            scalar(0x7F, 0x9F);
          }
        });
      case 5 -> {
        int[] range = RANGES[below(RANGES.length)];
        String c = Character.toString(range[0] + below(range[1] - range[0] + 1));
        out.append(c.repeat(1 + below(200)));
      }
      case 6 -> times(below(40), () -> out.appendCodePoint(SPACES[below(SPACES.length)]));
      case 7 ->
        times(1 + below(5), () -> {
          int[] range = RANGES[below(RANGES.length)];
          times(1 + below(10), () -> scalar(range[0], range[1]));
          if (below(2) == 0) {
            out.append(' ');
          }
        });
      case 8 -> {
        int n = 1 + below(6);
        for (int i = 0; i < n; i++) {
          out.append(i == 0 ? "" : ", ").append("0.").append(below(1000));
        }
      }
      case 9 ->
        times(1 + below(5), () -> {
          out.append(MARKS[below(MARKS.length)]);
          if (below(2) == 0) {
            out.appendCodePoint(SPACES[below(SPACES.length)]);
          }
          if (below(2) == 0) {
            out.append(WORDS[below(WORDS.length)]);
          }
        });
      case 10 ->
        times(
            1 + below(20),
            () -> out.append(vocabulary.piece(259 + below(32000 - 259)).replace('\u2581', ' ')));
      default -> {
        int c = 0x61 + below(26);
        int d = 0x61 + below(26);
        String unit = Character.toString(c) + Character.toString(d).repeat(below(4));
        out.append(unit.repeat(below(50)));
      }
    }
  }

  private static void times(int n, Runnable action) {
    for (int i = 0; i < n; i++) {
      action.run();
    }
  }
}
