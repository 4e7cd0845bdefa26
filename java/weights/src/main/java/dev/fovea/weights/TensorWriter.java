package dev.fovea.weights;

import dev.fovea.error.FileException;
import dev.fovea.error.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a weight file as a stream: the header first, then each tensor in the order announced, in pieces of any size. The bytes
 * go to {@code NAME.part} in the same folder, which {@link #finish} syncs and renames, so that a run that is killed leaves nothing
 * under the final name. Not for use by several threads.
 */
public final class TensorWriter implements AutoCloseable {
  private final Path path;
  private final Path part;
  private final FileChannel channel;
  private final List<TensorSpec> specs;
  private final int alignment;
  private final long dataStart;
  private int index;
  private long written;
  private long position;
  private boolean finished;

  private TensorWriter(Path path, byte[] header, List<TensorSpec> specs, int alignment) {
    this.path = path;
    this.part = path.resolveSibling(path.getFileName() + ".part");
    this.specs = List.copyOf(specs);
    this.alignment = alignment;
    this.dataStart = header.length;
    this.channel = open(path, part);
    write(ByteBuffer.wrap(header));
    skipEmpty();
  }

  /** A safetensors file; quantized types are not part of that format. */
  public static TensorWriter safetensors(
      Path path, Map<String, String> metadata, List<TensorSpec> specs) {
    check(path, specs);
    ObjectNode json = JSON.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode m = json.putObject("__metadata__");
      metadata.forEach(m::put);
    }
    long offset = 0;
    for (TensorSpec spec : specs) {
      if (spec.dtype().isQuantized()) {
        throw new InputException("tensor " + spec.name() + ": safetensors cannot hold "
            + spec.dtype().label() + ", write GGUF instead");
      }
      ObjectNode t = json.putObject(spec.name());
      t.put("dtype", spec.dtype().name());
      ArrayNode shape = t.putArray("shape");
      spec.dims().forEach(shape::add);
      t.putArray("data_offsets").add(offset).add(offset + spec.bytes());
      offset += spec.bytes();
    }
    byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
    int padded = (text.length + 7) / 8 * 8; // the data then starts at a multiple of 8
    if (padded > SafetensorsFile.MAX_HEADER) {
      throw new InputException("the header of " + path + " would take " + padded + " bytes");
    }
    ByteBuffer header = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
    header.putLong(padded).put(text);
    while (header.hasRemaining()) {
      header.put((byte) ' ');
    }
    return new TensorWriter(path, header.array(), specs, 1);
  }

  /** A GGUF file, version 3, with tensors aligned to 32 bytes. */
  public static TensorWriter gguf(
      Path path, Map<String, GgufValue> metadata, List<TensorSpec> specs) {
    check(path, specs);
    GgufHeader header = new GgufHeader();
    header.bytes.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    header.u32(3).u64(specs.size()).u64(metadata.size());
    metadata.forEach((key, value) -> header.text(key).u32(value.kind().id).value(value));
    long offset = 0;
    for (TensorSpec spec : specs) {
      header.text(spec.name()).u32(spec.dims().size());
      spec.dims().reversed().forEach(header::u64);
      header.u32(GgmlType.of(spec.dtype()).id()).u64(offset);
      offset += padded(spec.bytes(), GgufFile.DEFAULT_ALIGNMENT);
    }
    while (header.bytes.size() % GgufFile.DEFAULT_ALIGNMENT != 0) {
      header.bytes.write(0);
    }
    return new TensorWriter(path, header.bytes.toByteArray(), specs, GgufFile.DEFAULT_ALIGNMENT);
  }

  /** Bytes of all tensors together, without padding. */
  public long totalBytes() {
    return specs.stream().mapToLong(TensorSpec::bytes).sum();
  }

  /** The next bytes of a tensor, which must be the one whose turn it is. */
  public void append(TensorSpec spec, MemorySegment bytes) {
    if (index == specs.size() || !spec.equals(specs.get(index))) {
      throw InputException.mismatch(
          "next tensor of " + path, index == specs.size() ? "none" : specs.get(index), spec);
    }
    if (bytes.byteSize() > spec.bytes() - written) {
      throw InputException.mismatch(
          "tensor " + spec.name() + " after " + written + " bytes",
          (spec.bytes() - written) + " more",
          bytes.byteSize());
    }
    // Pieces, because a buffer view of a segment is limited to 2 GiB.
    for (long at = 0; at < bytes.byteSize(); at += PIECE) {
      write(bytes.asSlice(at, Math.min(PIECE, bytes.byteSize() - at)).asByteBuffer());
    }
    written += bytes.byteSize();
    if (written == spec.bytes()) {
      next();
    }
  }

  private void next() {
    pad();
    index++;
    written = 0;
    skipEmpty();
  }

  private void skipEmpty() {
    while (index < specs.size() && specs.get(index).bytes() == 0) {
      index++;
    }
  }

  private void pad() {
    long gap = padded(position - dataStart, alignment) - (position - dataStart);
    write(ByteBuffer.allocate((int) gap));
  }

  /** Syncs the file and gives it its name; every announced tensor must be complete. */
  public void finish() {
    if (index < specs.size()) {
      TensorSpec spec = specs.get(index);
      throw InputException.mismatch(
          path + " is not complete: tensor " + spec.name(),
          spec.bytes() + " bytes",
          written + " bytes");
    }
    try {
      channel.force(true);
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      finished = true;
      channel.close();
    } catch (IOException e) {
      throw failed(path, e);
    }
  }

  /** Without {@link #finish} before it, removes what was written. */
  @Override
  public void close() {
    if (finished) {
      return;
    }
    try {
      Files.deleteIfExists(part);
      channel.close();
    } catch (IOException e) {
      throw failed(part, e);
    }
  }

  private void write(ByteBuffer bytes) {
    try {
      while (bytes.hasRemaining()) {
        position += channel.write(bytes);
      }
    } catch (IOException e) {
      throw failed(part, e);
    }
  }

  private static FileChannel open(Path path, Path part) {
    try {
      Path folder = path.toAbsolutePath().getParent();
      if (folder != null) {
        Files.createDirectories(folder);
      }
      FileChannel channel =
          FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (!locked(channel)) {
        channel.close();
        throw new FileException(part, "another process is writing this file");
      }
      channel.truncate(0);
      return channel;
    } catch (IOException e) {
      throw failed(part, e);
    }
  }

  /** The lock ends with the channel. */
  private static boolean locked(FileChannel channel) throws IOException {
    try {
      FileLock lock = channel.tryLock();
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  private static void check(Path path, List<TensorSpec> specs) {
    Set<String> names = new HashSet<>();
    for (TensorSpec spec : specs) {
      if (!names.add(spec.name())) {
        throw new InputException("tensor " + spec.name() + " would be in " + path + " twice");
      }
    }
  }

  private static FileException failed(Path path, IOException e) {
    return new FileException(path, "cannot be written: " + e.getMessage(), e);
  }

  private static long padded(long bytes, int alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
  }

  private static final int PIECE = 1 << 26;
  private static final JsonMapper JSON = JsonMapper.shared();

  /** Little-endian fields. */
  private static final class GgufHeader {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    private void number(long value, int width) {
      for (int i = 0; i < width; i++) {
        bytes.write((int) (value >>> (8 * i)));
      }
    }

    GgufHeader u32(long value) {
      number(value, 4);
      return this;
    }

    GgufHeader u64(long value) {
      number(value, 8);
      return this;
    }

    GgufHeader text(String value) {
      byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
      u64(utf8.length);
      bytes.writeBytes(utf8);
      return this;
    }

    void value(GgufValue value) {
      switch (value) {
        case GgufValue.Int i -> number(i.value(), i.kind().bytes);
        case GgufValue.Real r
        when r.kind() == GgufValue.Kind.F32 -> u32(Float.floatToRawIntBits((float) r.value()));
        case GgufValue.Real r -> u64(Double.doubleToRawLongBits(r.value()));
        case GgufValue.Bool b -> bytes.write(b.value() ? 1 : 0);
        case GgufValue.Text t -> text(t.value());
        case GgufValue.Array a -> {
          u32(a.element().id).u64(a.values().size());
          for (GgufValue v : a.values()) {
            if (v.kind() != a.element()) {
              throw InputException.mismatch("array element", a.element(), v.kind());
            }
            value(v);
          }
        }
      }
    }
  }
}
