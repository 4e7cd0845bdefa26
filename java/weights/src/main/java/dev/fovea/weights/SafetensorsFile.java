package dev.fovea.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.fovea.error.FileException;
import dev.fovea.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * A safetensors file: u64 header length, a JSON header {@code {name: {dtype, shape, data_offsets}}}, then the data. As the
 * reference reader does, tensors must fill the data section without overlap, gap or trailing bytes
 * (github.com/huggingface/safetensors, README, "Format").
 *
 * @param metadata the header's {@code __metadata__}
 */
public record SafetensorsFile(
    Path path, Map<String, String> metadata, Map<String, WeightTensor> tensors)
    implements TensorFile {
  /** The reference implementation's limit. */
  static final long MAX_HEADER = 100_000_000;

  private static final JsonFactory JSON = new JsonFactory();

  private static final Map<String, StoredType> TYPES = types();

  private static Map<String, StoredType> types() {
    Map<String, StoredType> types = new LinkedHashMap<>();
    for (DType dtype : List.of(DType.F32, DType.F16, DType.BF16, DType.I32)) {
      types.put(dtype.name(), StoredType.of(dtype));
    }
    for (String label : List.of(
        "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")) {
      types.put(label, new StoredType(label, 1, 1, null));
    }
    for (String label : List.of("U16", "I16")) {
      types.put(label, new StoredType(label, 1, 2, null));
    }
    types.put("U32", new StoredType("U32", 1, 4, null));
    for (String label : List.of("U64", "I64", "F64", "C64")) {
      types.put(label, new StoredType(label, 1, 8, null));
    }
    types.put("F4", new StoredType("F4", 2, 1, null));
    types.put("F6_E2M3", new StoredType("F6_E2M3", 4, 3, null));
    types.put("F6_E3M2", new StoredType("F6_E3M2", 4, 3, null));
    return types;
  }

  /** Reads the header of a mapped file. */
  static SafetensorsFile parse(Path path, MemorySegment file) {
    long size = file.byteSize();
    if (size < 8) {
      throw FileException.mismatch(
          path, "header length at byte 0", "8 bytes", size + " bytes in the file");
    }
    long length = file.get(JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
    if (length < 2 || length > MAX_HEADER) {
      throw FileException.mismatch(
          path,
          "header length at byte 0 (is this a safetensors file?)",
          "2 to " + MAX_HEADER,
          Long.toUnsignedString(length));
    }
    if (length > size - 8) {
      throw FileException.mismatch(
          path, "header at byte 8", length + " bytes", (size - 8) + " left in the file");
    }
    byte[] header = file.asSlice(8, length).toArray(JAVA_BYTE);
    Header h = new Header(path, file.asSlice(8 + length), 8 + length);
    try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), header)) {
      h.read(json);
    } catch (JacksonException e) {
      throw new FileException(
          path, "header at byte " + h.at + " is not valid JSON: " + e.getOriginalMessage(), e);
    }
    h.checkFilled();
    return new SafetensorsFile(
        path, Collections.unmodifiableMap(h.metadata), Collections.unmodifiableMap(h.tensors));
  }

  /** One pass over the JSON. */
  private static final class Header {
    private final Path path;
    private final MemorySegment data;
    private final long dataStart;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Map<String, WeightTensor> tensors = new LinkedHashMap<>();
    private long at = 8;

    Header(Path path, MemorySegment data, long dataStart) {
      this.path = path;
      this.data = data;
      this.dataStart = dataStart;
    }

    void read(JsonParser json) {
      expect(json, "the header", JsonToken.START_OBJECT);
      while (next(json) == JsonToken.PROPERTY_NAME) {
        String name = json.currentName();
        if (name.equals("__metadata__")) {
          readMetadata(json);
        } else {
          readTensor(json, name);
        }
      }
      if (next(json) != null) {
        throw new FileException(path, "more JSON follows the header's object at byte " + at);
      }
    }

    private @Nullable JsonToken next(JsonParser json) {
      JsonToken token = json.nextToken();
      at = 8 + json.currentTokenLocation().getByteOffset();
      return token;
    }

    private void expect(JsonParser json, String what, JsonToken expected) {
      JsonToken found = next(json);
      if (found != expected) {
        throw FileException.mismatch(
            path, what + " at byte " + at, expected, found == null ? "the end" : found);
      }
    }

    private void readMetadata(JsonParser json) {
      expect(json, "__metadata__", JsonToken.START_OBJECT);
      while (next(json) == JsonToken.PROPERTY_NAME) {
        String key = json.currentName();
        expect(json, "__metadata__ field " + key, JsonToken.VALUE_STRING);
        metadata.put(key, json.getString());
      }
    }

    private void readTensor(JsonParser json, String name) {
      String what = "tensor " + name;
      if (tensors.size() >= MAX_TENSORS) {
        throw new FileException(
            path, "more than " + MAX_TENSORS + " tensors, the next at byte " + at);
      }
      if (tensors.containsKey(name)) {
        throw new FileException(path, what + " is listed twice, again at byte " + at);
      }
      expect(json, what, JsonToken.START_OBJECT);
      String dtype = null;
      List<Long> shape = null;
      List<Long> offsets = null;
      while (next(json) == JsonToken.PROPERTY_NAME) {
        String field = json.currentName();
        switch (field) {
          case "dtype" -> {
            expect(json, what + ": dtype", JsonToken.VALUE_STRING);
            dtype = json.getString();
          }
          case "shape" -> shape = longs(json, what + ": shape");
          case "data_offsets" -> offsets = longs(json, what + ": data_offsets");
          default ->
            throw new FileException(path, what + ": unknown field " + field + " at byte " + at);
        }
      }
      if (dtype == null || shape == null || offsets == null) {
        throw FileException.mismatch(
            path,
            what + " before byte " + at,
            "dtype, shape and data_offsets",
            "dtype " + dtype + ", shape " + shape + ", data_offsets " + offsets);
      }
      tensors.put(name, tensor(name, dtype, shape, offsets));
    }

    private List<Long> longs(JsonParser json, String what) {
      expect(json, what, JsonToken.START_ARRAY);
      List<Long> values = new ArrayList<>();
      JsonToken token = next(json);
      while (token == JsonToken.VALUE_NUMBER_INT && values.size() < 16) {
        values.add(json.getLongValue());
        token = next(json);
      }
      if (token != JsonToken.END_ARRAY) {
        throw FileException.mismatch(
            path, what + " at byte " + at, "at most 16 whole numbers", String.valueOf(token));
      }
      return values;
    }

    private WeightTensor tensor(String name, String dtype, List<Long> shape, List<Long> offsets) {
      String what = "tensor " + name;
      StoredType type = TYPES.get(dtype);
      if (type == null) {
        throw FileException.mismatch(
            path, what + ": dtype", String.join(", ", TYPES.keySet()), dtype);
      }
      for (long d : shape) {
        if (d < 0) {
          throw FileException.mismatch(path, what + ": shape", "sizes of at least 0", shape);
        }
      }
      if (offsets.size() != 2
          || offsets.getFirst() < 0
          || offsets.getLast() < offsets.getFirst()
          || offsets.getLast() > data.byteSize()) {
        throw FileException.mismatch(
            path,
            what + ": data_offsets",
            "begin and end within " + data.byteSize() + " bytes of data",
            offsets);
      }
      long begin = offsets.getFirst();
      long bytes = offsets.getLast() - begin;
      long expected = Layout.bytes(path, what, type, shape);
      if (expected != bytes) {
        throw FileException.mismatch(
            path,
            what + " at byte " + (dataStart + begin),
            expected + " bytes for " + type + shape,
            bytes + " bytes");
      }
      return new WeightTensor(
          name, type, shape, path, dataStart + begin, data.asSlice(begin, bytes));
    }

    void checkFilled() {
      Layout.checkDisjoint(path, tensors.values());
      long filled = tensors.values().stream().mapToLong(WeightTensor::bytes).sum();
      if (filled != data.byteSize()) {
        throw FileException.mismatch(
            path,
            "data at byte " + dataStart,
            filled + " bytes, the sum of all tensors",
            data.byteSize() + " bytes");
      }
    }
  }
}
