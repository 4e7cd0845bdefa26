package dev.fovea.model.image;

import dev.fovea.error.FileException;
import java.nio.ByteBuffer;

/** The bytes of one picture file with the name to blame; every read is checked against the end. */
final class Source {

  private final String name;
  private final byte[] array;
  private final ByteBuffer bytes;

  Source(String name, byte[] array) {
    this.name = name;
    this.array = array;
    this.bytes = ByteBuffer.wrap(array);
  }

  String name() {
    return name;
  }

  int length() {
    return array.length;
  }

  /** The bytes themselves, not a copy. */
  byte[] array() {
    return array;
  }

  /** Unsigned byte. */
  int u8(int at, String field) {
    need(at, 1, field);
    return bytes.get(at) & 0xFF;
  }

  int u16be(int at, String field) {
    need(at, 2, field);
    return bytes.getShort(at) & 0xFFFF;
  }

  int u16le(int at, String field) {
    need(at, 2, field);
    return Short.reverseBytes(bytes.getShort(at)) & 0xFFFF;
  }

  int u24le(int at, String field) {
    need(at, 3, field);
    return u8(at, field) | (u8(at + 1, field) << 8) | (u8(at + 2, field) << 16);
  }

  long u32be(int at, String field) {
    need(at, 4, field);
    return bytes.getInt(at) & 0xFFFF_FFFFL;
  }

  long u32le(int at, String field) {
    need(at, 4, field);
    return Integer.reverseBytes(bytes.getInt(at)) & 0xFFFF_FFFFL;
  }

  /** Whether these characters, each one byte, stand at a place. */
  boolean has(int at, String latin) {
    if (at < 0 || at + (long) latin.length() > length()) {
      return false;
    }
    for (int i = 0; i < latin.length(); i++) {
      if ((bytes.get(at + i) & 0xFF) != latin.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** Refuses the file if it ends before {@code count} bytes from {@code at}. */
  void need(long at, long count, String field) {
    if (at < 0 || count < 0 || at + count > length()) {
      throw bad(
          field + " at byte " + at,
          count + (count == 1 ? " byte" : " bytes"),
          "the file's end at byte " + length() + " (truncated or lying)");
    }
  }

  FileException bad(String where, Object expected, Object found) {
    return new FileException(name + ": " + where + ": expected " + expected + ", found " + found);
  }

  FileException refuse(String message) {
    return new FileException(name + ": " + message);
  }

  /** The first bytes as a reader of hex and text likes them: {@code 3c 73 76 67 "<svg"}. */
  String firstBytes() {
    if (length() == 0) {
      return "nothing";
    }
    var hex = new StringBuilder();
    var text = new StringBuilder();
    for (int i = 0; i < Math.min(8, length()); i++) {
      int b = bytes.get(i) & 0xFF;
      hex.append(i == 0 ? "" : " ").append(Character.forDigit(b >> 4, 16));
      hex.append(Character.forDigit(b & 15, 16));
      text.append(b >= 32 && b < 127 ? (char) b : '.');
    }
    return hex + " \"" + text + "\"";
  }
}
