package dev.fovea.cuda;

import dev.fovea.error.InputException;

/**
 * What may be switched off to find a fault or to measure what it is worth. With other graphs and overlap results have the same bits;
 * cuBLAS adds in an order of its own.
 *
 * @param graphs runs replay a captured graph; else every step is launched in every run ({@code -Dfovea.cuda.eager=true})
 * @param overlap a kernel may start while the one before still runs, where the device can ({@code -Dfovea.cuda.overlap=false})
 * @param cublas whether cuBLAS may compute dense linear maps ({@code -Dfovea.cuda.cublas=false}, {@code true} or {@code auto})
 */
public record Switches(boolean graphs, boolean overlap, Cublas cublas) {
  /** Whether cuBLAS computes dense linear maps. */
  public enum Cublas {
    /** Never; it is not even loaded. */
    FALSE,
    /** Where it is there. */
    TRUE,
    /** Where it is there, is faster and has many rows to compute; see {@link KernelTimes}. */
    AUTO
  }

  /** Those of the system properties. */
  static Switches given() {
    return new Switches(
        !Boolean.getBoolean("fovea.cuda.eager"),
        Boolean.parseBoolean(System.getProperty("fovea.cuda.overlap", "true")),
        cublas(System.getProperty("fovea.cuda.cublas", "auto")));
  }

  private static Cublas cublas(String word) {
    return switch (word) {
      case "false" -> Cublas.FALSE;
      case "true" -> Cublas.TRUE;
      case "auto" -> Cublas.AUTO;
      default ->
        throw new InputException("-Dfovea.cuda.cublas=" + word + ": expected false, true or auto");
    };
  }
}
