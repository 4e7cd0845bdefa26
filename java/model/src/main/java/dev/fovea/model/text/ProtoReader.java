package dev.fovea.model.text;

import dev.fovea.error.FileException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Walks the fields of one Protocol Buffers message inside a byte array. Every length is checked against the message's end before
 * it is used. Source: the public wire-format description (varint, 64-bit, length-delimited, 32-bit; groups are refused).
 */
final class ProtoReader {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private final Path file;
  private final byte[] bytes;
  private final int end;
  private final String message;
  private int at;
  private int fieldStart;
  private int wireType;

  ProtoReader(Path file, byte[] bytes) {
    this(file, bytes, 0, bytes.length, "");
  }

  private ProtoReader(Path file, byte[] bytes, int from, int end, String message) {
    this.file = file;
    this.bytes = bytes;
    this.at = from;
    this.end = end;
    this.message = message;
  }

  /** Moves to the next field and returns its number, or 0 at the end of the message. */
  int next() {
    if (at == end) {
      return 0;
    }
    fieldStart = at;
    long tag = varint("tag");
    long number = tag >>> 3;
    wireType = (int) (tag & 7);
    if (number == 0 || number > (1 << 29) - 1) {
      throw mismatch("field number", "1 to 536870911", number);
    }
    return (int) number;
  }

  boolean bool(String field) {
    return integer(field) != 0;
  }

  /** A varint read as int32 or enum: the low 32 bits, as Protocol Buffers define it. */
  int integer(String field) {
    expect(field, VARINT);
    return (int) varint(field);
  }

  float float32(String field) {
    expect(field, FIXED32);
    require(field, 4);
    float value = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat(at);
    at += 4;
    return value;
  }

  String string(String field) {
    int length = length(field);
    try {
      String value = StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, at, length))
          .toString();
      at += length;
      return value;
    } catch (CharacterCodingException e) {
      throw mismatch(field, "valid UTF-8", "other bytes");
    }
  }

  /** The number of bytes of a length-delimited field, which is skipped. */
  int skipBytes(String field) {
    int length = length(field);
    at += length;
    return length;
  }

  ProtoReader message(String field) {
    int length = length(field);
    ProtoReader inner = new ProtoReader(file, bytes, at, at + length, message + field + ".");
    at += length;
    return inner;
  }

  void skip() {
    switch (wireType) {
      case VARINT -> varint("unknown field");
      case FIXED64 -> {
        require("unknown field", 8);
        at += 8;
      }
      case BYTES -> skipBytes("unknown field");
      case FIXED32 -> {
        require("unknown field", 4);
        at += 4;
      }
      default -> throw mismatch("wire type", "0, 1, 2 or 5", wireType);
    }
  }

  FileException mismatch(String field, Object expected, Object found) {
    return FileException.mismatch(
        file, "field " + message + field + " at byte " + fieldStart, expected, found);
  }

  private void expect(String field, int type) {
    if (wireType != type) {
      throw mismatch(field, "wire type " + type, "wire type " + wireType);
    }
  }

  private int length(String field) {
    expect(field, BYTES);
    long length = varint(field);
    if (length < 0 || length > end - at) {
      throw mismatch(field, "at most " + (end - at) + " bytes", Long.toUnsignedString(length));
    }
    return (int) length;
  }

  private void require(String field, int count) {
    if (end - at < count) {
      throw mismatch(field, count + " more bytes", end - at);
    }
  }

  private long varint(String field) {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      require(field, 1);
      byte b = bytes[at++];
      value |= (long) (b & 0x7f) << shift;
      if (b >= 0) {
        return value;
      }
    }
    throw mismatch(field, "a varint of at most 10 bytes", "a longer one");
  }
}
