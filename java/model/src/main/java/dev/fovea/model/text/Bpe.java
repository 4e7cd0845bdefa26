package dev.fovea.model.text;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Byte-pair encoding of one normalized text: start from single characters, merge the best-ranked neighbouring pair (leftmost first)
 * until none is left. Sennrich et al. 2016, arXiv:1508.07909; the order of SentencePiece and of Hugging Face tokenizers.
 *
 * <p>A heap of (rank, position) and a linked list of symbols make it O(n log n); entries whose pair has changed since are skipped
 * when they come up.
 */
final class Bpe {
  private static final int DEAD = -2;
  private static final int UNKNOWN = -1;

  private final int pieces;
  private final MergeTable merges;
  private final Map<Integer, Integer> symbols;
  private final int[] bmp;
  private final int @Nullable [] byteIds;
  private final int unk;
  private final boolean fuseUnk;
  private final boolean[] unused;
  private final boolean anyUnused;
  private final Map<Integer, Integer> bareCharacters = new HashMap<>();

  /**
   * @param pieces  symbols below this are token ids; those above stand for characters that have no piece but occur inside one
   * @param symbols code point to symbol
   * @param byteIds ids of the 256 byte pieces, or null without byte fallback
   * @param unk     the id of a character without a piece and without byte fallback, or -1 to drop it
   * @param fuseUnk neighbouring unknown characters become one {@code unk}
   * @param unused  ids that are split again into what they were merged from
   */
  Bpe(
      int pieces,
      MergeTable merges,
      Map<Integer, Integer> symbols,
      int @Nullable [] byteIds,
      int unk,
      boolean fuseUnk,
      boolean[] unused) {
    this.pieces = pieces;
    this.merges = merges;
    this.symbols = symbols;
    this.byteIds = byteIds;
    this.unk = unk;
    this.fuseUnk = fuseUnk;
    this.unused = unused;
    boolean any = false;
    for (boolean u : unused) {
      any |= u;
    }
    this.anyUnused = any;
    this.bmp = new int[1 << 16];
    Arrays.fill(bmp, UNKNOWN);
    symbols.forEach((codePoint, symbol) -> {
      if (codePoint < bmp.length) {
        bmp[codePoint] = symbol;
      }
      if (symbol >= pieces) {
        bareCharacters.put(symbol, codePoint);
      }
    });
  }

  /** Appends the ids of {@code text[from, to)}, which is already normalized. */
  void encode(String text, int from, int to, IntBuffer out) {
    new Run(text, from, to).encode(out);
  }

  private int symbol(int codePoint) {
    return codePoint < bmp.length ? bmp[codePoint] : symbols.getOrDefault(codePoint, UNKNOWN);
  }

  /** One text being merged. */
  private final class Run {
    private final int[] symbol;
    private final int[] codePoint;
    private final int[] next;
    private final int[] previous;
    private final int count;
    private long[] heap;
    private int heapSize;
    private @Nullable Map<Integer, int[]> mergedFrom;
    private boolean lastWasUnk;

    Run(String text, int from, int to) {
      int n = to - from;
      symbol = new int[n];
      codePoint = new int[n];
      next = new int[n];
      previous = new int[n];
      int size = 0;
      for (int i = from; i < to; ) {
        int c = text.codePointAt(i);
        i += Character.charCount(c);
        codePoint[size] = c;
        symbol[size] = symbol(c);
        previous[size] = size - 1;
        next[size] = size + 1;
        size++;
      }
      count = size;
      if (count > 0) {
        next[count - 1] = -1;
      }
      heap = new long[Math.max(count, 16)];
    }

    void encode(IntBuffer out) {
      for (int i = 0; i + 1 < count; i++) {
        offer(i, i + 1);
      }
      while (heapSize > 0) {
        long top = poll();
        int left = (int) top;
        int right = symbol[left] == DEAD ? -1 : next[left];
        if (right < 0) {
          continue;
        }
        int slot = merges.find(symbol[left], symbol[right]);
        if (slot < 0 || merges.rank(slot) != (int) (top >>> 32)) {
          continue; // a neighbour merged meanwhile
        }
        symbol[left] = merges.merged(slot);
        symbol[right] = DEAD;
        next[left] = next[right];
        if (next[left] >= 0) {
          previous[next[left]] = left;
          offer(left, next[left]);
        }
        if (previous[left] >= 0) {
          offer(previous[left], left);
        }
      }
      for (int i = 0; i >= 0 && i < count; i = next[i]) {
        emit(symbol[i], codePoint[i], out);
      }
    }

    private void offer(int left, int right) {
      int slot = merges.find(symbol[left], symbol[right]);
      if (slot < 0) {
        return;
      }
      if (anyUnused && merges.merged(slot) < pieces && unused[merges.merged(slot)]) {
        if (mergedFrom == null) {
          mergedFrom = new HashMap<>();
        }
        mergedFrom.put(merges.merged(slot), new int[] {symbol[left], symbol[right]});
      }
      push((long) merges.rank(slot) << 32 | left);
    }

    private void emit(int id, int character, IntBuffer out) {
      if (id >= 0 && id < pieces) {
        int[] parts = mergedFrom != null && unused[id] ? mergedFrom.get(id) : null;
        if (parts == null) {
          out.add(id);
          lastWasUnk = false;
        } else {
          for (int part : parts) {
            emit(part, bareCharacters.getOrDefault(part, 0), out);
          }
        }
      } else if (byteIds != null) {
        utf8(character, byteIds, out);
        lastWasUnk = false;
      } else if (unk >= 0 && !(fuseUnk && lastWasUnk)) {
        out.add(unk);
        lastWasUnk = true;
      }
    }

    private void push(long entry) {
      if (heapSize == heap.length) {
        heap = Arrays.copyOf(heap, heapSize * 2);
      }
      int at = heapSize++;
      while (at > 0 && heap[(at - 1) >>> 1] > entry) {
        heap[at] = heap[(at - 1) >>> 1];
        at = (at - 1) >>> 1;
      }
      heap[at] = entry;
    }

    private long poll() {
      long top = heap[0];
      long last = heap[--heapSize];
      int at = 0;
      for (int child = 1; child < heapSize; child = 2 * at + 1) {
        if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
          child++;
        }
        if (heap[child] >= last) {
          break;
        }
        heap[at] = heap[child];
        at = child;
      }
      heap[at] = last;
      return top;
    }
  }

  private static void utf8(int c, int[] byteIds, IntBuffer out) {
    if (c < 0x80) {
      out.add(byteIds[c]);
      return;
    }
    if (c < 0x800) {
      out.add(byteIds[0xC0 | c >> 6]);
    } else {
      if (c < 0x10000) {
        out.add(byteIds[0xE0 | c >> 12]);
      } else {
        out.add(byteIds[0xF0 | c >> 18]);
        out.add(byteIds[0x80 | (c >> 12 & 0x3F)]);
      }
      out.add(byteIds[0x80 | (c >> 6 & 0x3F)]);
    }
    out.add(byteIds[0x80 | (c & 0x3F)]);
  }
}
