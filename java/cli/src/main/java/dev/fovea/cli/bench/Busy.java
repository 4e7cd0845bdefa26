package dev.fovea.cli.bench;

import dev.fovea.error.InputException;
import java.io.IOException;

/** Another process that keeps every core busy until it is closed, as a neighbour on a shared machine does. */
public final class Busy implements AutoCloseable {
  private final Process process;

  /** Returns when it is at work. */
  public Busy() {
    String java = ProcessHandle.current().info().command().orElse("java");
    try {
      process = new ProcessBuilder(
              java,
              "-Xmx16m",
              "-XX:TieredStopAtLevel=1",
              "-cp",
              System.getProperty("java.class.path"),
              Busy.class.getName())
          .redirectError(ProcessBuilder.Redirect.DISCARD)
          .start();
      if (process.getInputStream().read() < 0) {
        throw new InputException("the process that keeps cores busy ended at once: " + java);
      }
    } catch (IOException e) {
      throw new InputException(java + " cannot be run: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    process.destroyForcibly();
    process.onExit().join();
  }

  /** Computes in a thread for every core until its standard input ends, as it does with the process that began it. */
  public static void main(String[] arguments) throws IOException {
    for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++) {
      Thread.ofPlatform().daemon().start(() -> {
        while (true) {
          Thread.onSpinWait();
        }
      });
    }
    System.out.write('\n');
    System.out.flush();
    int _ = System.in.read();
  }
}
