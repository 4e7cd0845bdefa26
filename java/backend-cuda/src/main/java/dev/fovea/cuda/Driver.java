package dev.fovea.cuda;

import java.lang.foreign.MemorySegment;

/**
 * What the backend asks of a device: memory, copies, one stream, graphs. Everything but allocation, {@link #await} and {@link
 * #synchronize} is enqueued and returns at once; enqueuing takes nothing from the heap.
 *
 * <p>Calls are made by one thread at a time, each entry from outside beginning with {@link #enter}.
 */
interface Driver extends AutoCloseable {

  /** A place in the device's memory or in pinned memory of the host. */
  interface Place {
    long address();
  }

  /** A moment of the stream. */
  interface Mark {}

  /** Work that was recorded. */
  interface Graph {}

  /** The device in words: name, memory, capability, driver. */
  String describe();

  /** Compute capability: 90 for 9.0. */
  int capability();

  /** Whether the device works while the host does something else. */
  boolean asynchronous();

  /** Makes the device current on the calling thread. */
  void enter();

  /** Memory of the device, aligned to 256 bytes, its contents undefined. */
  Place allocate(long bytes);

  void free(Place memory);

  /** Memory of the host that the device copies from and to by itself. */
  Place pin(long bytes);

  void unpin(Place memory);

  /** The host's view of pinned memory. */
  @SuppressWarnings("restricted") // the bytes are those that were asked for
  static MemorySegment view(Place pinned, long bytes) {
    return MemorySegment.ofAddress(pinned.address()).reinterpret(bytes);
  }

  /** A place further on in the same memory; made once and kept where copies must not allocate. */
  Place at(Place memory, long offset);

  void toDevice(Place to, Place pinned, long bytes);

  void toHost(Place pinned, Place from, long bytes);

  void within(Place to, Place from, long bytes);

  void zero(Place to, long bytes);

  /** The stream, as launchers want it. */
  long stream();

  /** The address of another library's {@link Gemm} for this stream, good until the driver is closed; 0 if there is none. */
  long gemm();

  /** What multiplies there, with its version, or why nothing does. */
  String gemmNote();

  Mark mark();

  void free(Mark mark);

  /** Sets a mark behind everything enqueued so far. */
  void record(Mark mark);

  /**
   * Waits until the device has come past the mark; a mark that was never set is past.
   *
   * @throws dev.fovea.error.BackendException if something enqueued before failed
   */
  void await(Mark mark);

  /** From here on launches are recorded, not run. */
  void beginCapture();

  Graph endCapture();

  void launch(Graph graph);

  void free(Graph graph);

  /**
   * Waits for everything enqueued.
   *
   * @throws dev.fovea.error.BackendException if some of it failed
   */
  void synchronize();

  @Override
  void close();
}
