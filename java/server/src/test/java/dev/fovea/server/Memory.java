package dev.fovea.server;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What this process holds, in bytes.
 *
 * @param heap objects that are reachable
 * @param natives what malloc has given out and not got back: kernels' memory, arenas of Java, Netty's buffers, and what the machine itself
 *     needs to compile
 * @param resident anonymous pages in memory, the heap's among them
 */
record Memory(long heap, long natives, long resident) {
  // struct mallinfo2 of glibc 2.33: arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks,
  // uordblks, fordblks, keepcost; over all of its arenas.
  private static final MemoryLayout MALLINFO2 = MemoryLayout.sequenceLayout(10, JAVA_LONG);
  private static final int HBLKHD = 4;
  private static final int UORDBLKS = 7;

  @SuppressWarnings("restricted") // the one way to ask malloc
  private static final MethodHandle MALLINFO = Linker.nativeLinker()
      .downcallHandle(
          Linker.nativeLinker().defaultLookup().findOrThrow("mallinfo2"),
          FunctionDescriptor.of(MemoryLayout.structLayout(MALLINFO2)));

  static Memory now() throws InterruptedException {
    long heap = Long.MAX_VALUE;
    long natives = Long.MAX_VALUE;
    for (int i = 0; i < 3; i++) {
      System.gc(); // buffers that wait for their cleaner go with it
      Thread.sleep(50);
      heap = Math.min(
          heap, Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
      natives = Math.min(natives, allocated());
    }
    return new Memory(heap, natives, residentNow());
  }

  Memory since(Memory before) {
    return new Memory(heap - before.heap, natives - before.natives, resident - before.resident);
  }

  private static long allocated() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = (MemorySegment) MALLINFO.invokeExact((SegmentAllocator) arena);
      return info.getAtIndex(JAVA_LONG, HBLKHD) + info.getAtIndex(JAVA_LONG, UORDBLKS);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** proc_pid_status(5). */
  private static long residentNow() {
    try {
      String line = Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(l -> l.startsWith("RssAnon:"))
          .findFirst()
          .orElseThrow();
      return Long.parseLong(line.replaceAll("\\D", "")) << 10;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String toString() {
    return "heap %d, native %d, resident %d MiB"
        .formatted(heap >> 20, natives >> 20, resident >> 20);
  }
}
