package dev.fovea.engine;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.model.image.Resampling;
import dev.fovea.program.Program;
import dev.fovea.program.Value;
import dev.fovea.tensor.DType;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes pixels for the tower from pictures, on the device. Programs have fixed sizes and pictures do not: there is one program at a time,
 * for the largest picture so far, rounded up to a power of two.
 */
final class Resizer implements AutoCloseable {
  private static final int LEAST_BYTES = 1 << 20;
  private static final int LEAST_WEIGHTS = 1 << 14;

  private final Device device;
  private final Buffer pixels;
  private @Nullable Room room;

  /** A program, and the memory its pictures come to. */
  private record Room(Executable program, Buffer photo, int weights) implements AutoCloseable {
    boolean holds(Resampling r) {
      return r.picture().byteSize() <= photo.type().bytes()
          && r.weights().byteSize() <= Integer.BYTES * (long) weights;
    }

    @Override
    public void close() {
      program.close();
      photo.close();
    }
  }

  /** @param pixels [C=3,Y,X] f32, where they go */
  Resizer(Device device, Buffer pixels) {
    this.device = device;
    this.pixels = pixels;
  }

  void run(Resampling r) {
    Room now = room(r);
    now.photo.upload(r.picture(), 0);
    now.program.write("geometry", r.geometry());
    now.program.write("across", r.across());
    now.program.write("down", r.down());
    now.program.write("weights", r.weights());
    now.program.write("levels", r.levels());
    now.program.run();
  }

  private Room room(Resampling r) {
    Room old = room;
    if (old != null && old.holds(r)) {
      return old;
    }
    int bytes = old == null ? LEAST_BYTES : (int) old.photo.type().bytes();
    int weights = old == null ? LEAST_WEIGHTS : old.weights;
    close();
    bytes = enough(bytes, r.picture().byteSize());
    weights = enough(weights, r.weights().byteSize() / Integer.BYTES);
    int side = pixels.type().shape().size(-1);
    Program program = Resampling.program(side, side, bytes, weights);
    Value photo = program.sources(Value.Kind.STATE).stream()
        .filter(v -> v.type().dtype() == DType.U8)
        .findFirst()
        .orElseThrow();
    Buffer memory = device.allocate(photo.type());
    Room grown = new Room(
        device.compile(program, Map.of("pixels", pixels, photo.name(), memory)), memory, weights);
    room = grown;
    return grown;
  }

  /** {@code least} doubled until it suffices, as far as an int goes: arrays are no longer. */
  private static int enough(int least, long wanted) {
    long n = least;
    while (n < wanted) {
      n *= 2;
    }
    return (int) Math.min(n, Integer.MAX_VALUE);
  }

  @Override
  public void close() {
    if (room != null) {
      room.close();
      room = null;
    }
  }
}
