package dev.fovea.weights;

import java.util.List;

/** A metadata value of a GGUF file, with the width it is stored in. */
public sealed interface GgufValue {

  /** Signed or unsigned whole numbers; u64 above 2^63 wraps to negative. */
  record Int(Kind kind, long value) implements GgufValue {}

  /** {@link Kind#F32} or {@link Kind#F64}. */
  record Real(Kind kind, double value) implements GgufValue {}

  record Bool(boolean value) implements GgufValue {}

  record Text(String value) implements GgufValue {}

  /** Arrays hold one kind; arrays of arrays are refused, as llama.cpp does. */
  record Array(Kind element, List<GgufValue> values) implements GgufValue {
    public Array {
      values = List.copyOf(values);
    }
  }

  static GgufValue u32(long value) {
    return new Int(Kind.U32, value);
  }

  static GgufValue f32(double value) {
    return new Real(Kind.F32, value);
  }

  static GgufValue of(boolean value) {
    return new Bool(value);
  }

  static GgufValue of(String value) {
    return new Text(value);
  }

  static GgufValue texts(List<String> values) {
    return new Array(Kind.TEXT, values.stream().<GgufValue>map(Text::new).toList());
  }

  static GgufValue f32s(List<? extends Number> values) {
    return new Array(
        Kind.F32,
        values.stream().<GgufValue>map(v -> new Real(Kind.F32, v.doubleValue())).toList());
  }

  static GgufValue i32s(List<Integer> values) {
    return new Array(
        Kind.I32, values.stream().<GgufValue>map(v -> new Int(Kind.I32, v)).toList());
  }

  /** The kind this value is stored as. */
  default Kind kind() {
    return switch (this) {
      case Int i -> i.kind;
      case Real r -> r.kind;
      case Bool b -> Kind.BOOL;
      case Text t -> Kind.TEXT;
      case Array a -> Kind.ARRAY;
    };
  }

  /** The value types of GGUF; declared in the order of their numbers. */
  enum Kind {
    U8(0, 1),
    I8(1, 1),
    U16(2, 2),
    I16(3, 2),
    U32(4, 4),
    I32(5, 4),
    F32(6, 4),
    BOOL(7, 1),
    /** u64 length, then UTF-8. */
    TEXT(8, 8),
    /** u32 kind, u64 count, then the elements. */
    ARRAY(9, 12),
    U64(10, 8),
    I64(11, 8),
    F64(12, 8);

    /** The number in the file. */
    final int id;

    /** The fewest bytes a value of this kind takes. */
    final int bytes;

    Kind(int id, int bytes) {
      this.id = id;
      this.bytes = bytes;
    }
  }
}
