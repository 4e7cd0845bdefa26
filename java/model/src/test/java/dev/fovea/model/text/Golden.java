package dev.fovea.model.text;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;

/** A file of weights-tools/golden/tokenizer_goldens.py: hashes of texts and of their ids, and some ids in full. */
final class Golden {
  final int count;
  final int encodings;
  final int full;
  final long[] textHash;
  final long[][] idsHash;
  final int[][][] ids;

  private Golden(ByteBuffer in) {
    count = in.getInt();
    encodings = in.getInt();
    full = in.getInt();
    textHash = new long[count];
    idsHash = new long[count][encodings];
    for (int i = 0; i < count; i++) {
      textHash[i] = in.getLong();
      for (int e = 0; e < encodings; e++) {
        idsHash[i][e] = in.getLong();
      }
    }
    ids = new int[full][encodings][];
    for (int i = 0; i < full; i++) {
      for (int e = 0; e < encodings; e++) {
        ids[i][e] = new int[varint(in)];
        for (int k = 0; k < ids[i][e].length; k++) {
          ids[i][e][k] = varint(in);
        }
      }
    }
    if (in.hasRemaining()) {
      throw new IllegalStateException(in.remaining() + " bytes left over");
    }
  }

  static Golden read(String name) {
    try (InputStream in = Objects.requireNonNull(Golden.class.getResourceAsStream(name), name)) {
      return new Golden(ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int varint(ByteBuffer in) {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      byte b = in.get();
      value |= (b & 0x7f) << shift;
      if (b >= 0) {
        return value;
      }
    }
  }
}
