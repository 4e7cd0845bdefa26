package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.fovea.error.FileException;
import dev.fovea.weights.GgufValue.Kind;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF file, version 2 or 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md).
 *
 * @param metadata typed key/value pairs, in file order
 */
public record GgufFile(
    Path path, Map<String, GgufValue> metadata, Map<String, WeightTensor> tensors)
    implements TensorFile {
  static final int DEFAULT_ALIGNMENT = 32;
  /** Nobody aligns to more than a large page; a bigger value is a lie. */
  static final long MAX_ALIGNMENT = 1 << 21;
  /** Array elements in all of the metadata: vocabularies have some 10^5 tokens with three arrays each. */
  static final long MAX_ELEMENTS = 1 << 22;

  static final long MAX_PAIRS = 1 << 16;
  /** The specification's limit for keys; used for tensor names too. */
  static final long MAX_NAME = 65535;

  static GgufFile parse(Path path, MemorySegment file) {
    return new Cursor(path, file).read();
  }

  /** The text under a key, or null; another kind of value is an error. */
  public @Nullable String text(String key) {
    return switch (metadata.get(key)) {
      case null -> null;
      case GgufValue.Text t -> t.value();
      case GgufValue v -> throw wrongKind(key, "text", v);
    };
  }

  /** The whole number under a key, of any width. */
  public long integer(String key) {
    return switch (metadata.get(key)) {
      case GgufValue.Int i -> i.value();
      case null -> throw missing(key);
      case GgufValue v -> throw wrongKind(key, "a whole number", v);
    };
  }

  /** The number under a key, of any width. */
  public double real(String key) {
    return switch (metadata.get(key)) {
      case GgufValue.Real r -> r.value();
      case GgufValue.Int i -> i.value();
      case null -> throw missing(key);
      case GgufValue v -> throw wrongKind(key, "a number", v);
    };
  }

  public boolean bool(String key) {
    return switch (metadata.get(key)) {
      case GgufValue.Bool b -> b.value();
      case null -> throw missing(key);
      case GgufValue v -> throw wrongKind(key, "true or false", v);
    };
  }

  public boolean has(String key) {
    return metadata.containsKey(key);
  }

  /** The texts of an array. */
  public List<String> texts(String key) {
    return array(key).stream()
        .map(v -> switch (v) {
          case GgufValue.Text t -> t.value();
          default -> throw wrongKind(key, "an array of text", v);
        })
        .toList();
  }

  /** The numbers of an array, of any width. */
  public List<Double> reals(String key) {
    return array(key).stream()
        .map(v -> switch (v) {
          case GgufValue.Real r -> r.value();
          case GgufValue.Int i -> (double) i.value();
          default -> throw wrongKind(key, "an array of numbers", v);
        })
        .toList();
  }

  private List<GgufValue> array(String key) {
    return switch (metadata.get(key)) {
      case GgufValue.Array a -> a.values();
      case null -> throw missing(key);
      case GgufValue v -> throw wrongKind(key, "an array", v);
    };
  }

  private FileException missing(String key) {
    return new FileException(path, "metadata " + key + " is missing");
  }

  private FileException wrongKind(String key, String expected, GgufValue found) {
    return FileException.mismatch(path, "metadata " + key, expected, found.kind());
  }

  /** Reads on from a position and never past the end. */
  private static final class Cursor {
    private static final ValueLayout.OfInt INT =
        ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
        ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
        ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
        ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
        ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final MemorySegment file;
    private long at;
    private long elements;

    Cursor(Path path, MemorySegment file) {
      this.path = path;
      this.file = file;
    }

    GgufFile read() {
      int magic = file.get(INT, take(4, "magic"));
      if (magic != 0x46554747) {
        throw FileException.mismatch(
            path, "magic at byte 0", "GGUF", String.format("0x%08x", magic));
      }
      int version = file.get(INT, take(4, "version"));
      if ((version & 0xffff) == 0) {
        throw FileException.mismatch(
            path,
            "version at byte 4",
            "2 or 3, little-endian",
            "a big-endian file: " + Integer.toHexString(version));
      }
      if (version != 2 && version != 3) {
        throw FileException.mismatch(
            path, "version at byte 4", "2 or 3", Integer.toUnsignedString(version));
      }
      long tensorCount = count("tensor count", TensorFile.MAX_TENSORS, 24);
      long pairCount = count("metadata count", MAX_PAIRS, 13);
      Map<String, GgufValue> metadata = new LinkedHashMap<>();
      for (long i = 0; i < pairCount; i++) {
        long start = at;
        String key = name("metadata key " + i);
        Kind kind = kind("metadata " + key);
        if (metadata.putIfAbsent(key, value("metadata " + key, kind)) != null) {
          throw new FileException(
              path, "metadata " + key + " is given twice, again at byte " + start);
        }
      }
      long alignment = alignment(metadata);
      List<Entry> entries = new ArrayList<>();
      for (long i = 0; i < tensorCount; i++) {
        entries.add(entry(i));
      }
      return new GgufFile(path, Collections.unmodifiableMap(metadata), place(entries, alignment));
    }

    /** Moves on and returns where the bytes start. */
    private long take(long bytes, String what) {
      if (bytes < 0 || bytes > file.byteSize() - at) {
        throw FileException.mismatch(
            path,
            what + " at byte " + at,
            Long.toUnsignedString(bytes) + " bytes",
            (file.byteSize() - at) + " left in the file");
      }
      long start = at;
      at += bytes;
      return start;
    }

    private long count(String what, long max, int leastBytes) {
      long start = at;
      long n = file.get(LONG, take(8, what));
      if (n < 0 || n > max || n > (file.byteSize() - at) / leastBytes) {
        throw FileException.mismatch(
            path,
            what + " at byte " + start,
            "at most " + Math.min(max, (file.byteSize() - at) / leastBytes)
                + ", what limits and file length allow",
            Long.toUnsignedString(n));
      }
      return n;
    }

    /** A key or tensor name: malformed UTF-8 is refused. */
    private String name(String what) {
      long start = at;
      MemorySegment bytes = text(what);
      if (bytes.byteSize() > MAX_NAME) {
        throw FileException.mismatch(
            path, what + " at byte " + start, "at most " + MAX_NAME + " bytes", bytes.byteSize());
      }
      try {
        return StandardCharsets.UTF_8
            .newDecoder()
            .decode(ByteBuffer.wrap(bytes.toArray(JAVA_BYTE)))
            .toString();
      } catch (CharacterCodingException e) {
        throw new FileException(path, what + " at byte " + start + " is not UTF-8", e);
      }
    }

    private MemorySegment text(String what) {
      long length = file.get(LONG, take(8, what));
      long start = take(length, what);
      if (length > MAX_TEXT) {
        throw FileException.mismatch(
            path, what + " at byte " + start, "at most " + MAX_TEXT + " bytes", length);
      }
      return file.asSlice(start, length);
    }

    private Kind kind(String what) {
      int id = file.get(INT, take(4, what));
      if (id < 0 || id >= KINDS.size()) {
        throw FileException.mismatch(
            path, what + ": type at byte " + (at - 4), "0 to 12", Integer.toUnsignedString(id));
      }
      return KINDS.get(id);
    }

    private GgufValue value(String what, Kind kind) {
      return switch (kind) {
        case U8 -> new GgufValue.Int(kind, file.get(JAVA_BYTE, take(1, what)) & 0xff);
        case I8 -> new GgufValue.Int(kind, file.get(JAVA_BYTE, take(1, what)));
        case U16 -> new GgufValue.Int(kind, file.get(SHORT, take(2, what)) & 0xffff);
        case I16 -> new GgufValue.Int(kind, file.get(SHORT, take(2, what)));
        case U32 -> new GgufValue.Int(kind, Integer.toUnsignedLong(file.get(INT, take(4, what))));
        case I32 -> new GgufValue.Int(kind, file.get(INT, take(4, what)));
        case U64, I64 -> new GgufValue.Int(kind, file.get(LONG, take(8, what)));
        case F32 -> new GgufValue.Real(kind, file.get(FLOAT, take(4, what)));
        case F64 -> new GgufValue.Real(kind, file.get(DOUBLE, take(8, what)));
        case BOOL -> {
          byte b = file.get(JAVA_BYTE, take(1, what));
          if (b != 0 && b != 1) {
            throw FileException.mismatch(
                path, what + " at byte " + (at - 1), "0 or 1 for a boolean", b);
          }
          yield new GgufValue.Bool(b == 1);
        }
        // Free text may be in an unknown encoding: malformed bytes are replaced, not refused.
        case TEXT ->
          new GgufValue.Text(new String(text(what).toArray(JAVA_BYTE), StandardCharsets.UTF_8));
        case ARRAY -> array(what);
      };
    }

    private GgufValue array(String what) {
      Kind element = kind(what + ": array");
      if (element == Kind.ARRAY) {
        throw FileException.mismatch(
            path,
            what + ": element type at byte " + (at - 4),
            "anything but an array",
            "an array of arrays");
      }
      long n = count(what + ": array length", MAX_ELEMENTS - elements, element.bytes);
      elements += n;
      List<GgufValue> values = new ArrayList<>((int) n);
      for (long i = 0; i < n; i++) {
        values.add(value(what, element));
      }
      return new GgufValue.Array(element, values);
    }

    private long alignment(Map<String, GgufValue> metadata) {
      GgufValue value = metadata.get("general.alignment");
      if (value == null) {
        return DEFAULT_ALIGNMENT;
      }
      if (value instanceof GgufValue.Int i
          && i.kind() == Kind.U32
          && Long.bitCount(i.value()) == 1
          && i.value() <= MAX_ALIGNMENT) {
        return i.value();
      }
      throw FileException.mismatch(
          path, "metadata general.alignment", "a u32 power of two up to " + MAX_ALIGNMENT, value);
    }

    private record Entry(String name, GgmlType type, List<Long> dims, long offset, long header) {}

    private Entry entry(long i) {
      long header = at;
      String name = name("name of tensor " + i);
      String what = "tensor " + name;
      int rank = file.get(INT, take(4, what));
      if (rank < 1 || rank > 4) {
        throw FileException.mismatch(
            path,
            what + ": dimensions at byte " + (at - 4),
            "1 to 4",
            Integer.toUnsignedString(rank));
      }
      List<Long> dims = new ArrayList<>();
      for (int d = 0; d < rank; d++) {
        long size = file.get(LONG, take(8, what));
        if (size < 1) {
          throw FileException.mismatch(
              path,
              what + ": size " + d + " at byte " + (at - 8),
              "at least 1",
              Long.toUnsignedString(size));
        }
        dims.addFirst(size);
      }
      int id = file.get(INT, take(4, what));
      GgmlType type = GgmlType.byId(id);
      if (type == null) {
        throw FileException.mismatch(
            path,
            what + ": type at byte " + (at - 4),
            "a known ggml type",
            Integer.toUnsignedString(id));
      }
      return new Entry(name, type, dims, file.get(LONG, take(8, what)), header);
    }

    private Map<String, WeightTensor> place(List<Entry> entries, long alignment) {
      long dataStart = (at + alignment - 1) / alignment * alignment;
      Map<String, WeightTensor> tensors = new LinkedHashMap<>();
      for (Entry entry : entries) {
        String what = "tensor " + entry.name;
        StoredType type = entry.type.stored();
        long bytes = Layout.bytes(path, what + " listed at byte " + entry.header, type, entry.dims);
        long room = file.byteSize() - dataStart;
        if (entry.offset < 0 || entry.offset % alignment != 0) {
          throw FileException.mismatch(
              path,
              what + ": offset",
              "a multiple of " + alignment,
              Long.toUnsignedString(entry.offset) + ", listed at byte " + entry.header);
        }
        if (bytes > room || entry.offset > room - bytes) {
          throw FileException.mismatch(
              path,
              what + " listed at byte " + entry.header,
              bytes + " bytes at offset " + entry.offset + " of the data",
              Math.max(0, room) + " bytes of data in the file");
        }
        long start = dataStart + entry.offset;
        WeightTensor tensor =
            new WeightTensor(entry.name, type, entry.dims, path, start, file.asSlice(start, bytes));
        if (tensors.putIfAbsent(entry.name, tensor) != null) {
          throw new FileException(path, what + " is listed twice, again at byte " + entry.header);
        }
      }
      Layout.checkDisjoint(path, tensors.values());
      return Collections.unmodifiableMap(tensors);
    }
  }

  /** One text; chat templates and licences reach some 10^5 bytes. */
  private static final long MAX_TEXT = 1 << 26;

  private static final List<Kind> KINDS = List.of(Kind.values());
}
