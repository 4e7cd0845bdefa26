package dev.fovea.cuda;

import dev.fovea.error.InputException;

/**
 * What may be switched off to find a fault or to measure what it is worth. With other graphs and overlap results have the same bits;
 * cuBLAS adds in an order of its own.
 *
 * @param graphs runs replay a captured graph; else every step is launched in every run ({@code -Dfovea.cuda.eager=true})
 * @param overlap a kernel may start while the one before still runs, where the device can ({@code -Dfovea.cuda.overlap=false})
 * @param cublas whether cuBLAS may compute dense linear maps ({@code -Dfovea.cuda.cublas=false}, {@code true} or {@code auto})
 * @param persistent one launch computes all steps in a row that it can, those of a decoder's layers for one or two rows; off until it
 *     has been measured to win ({@code -Dfovea.cuda.persistent=true})
 */
public record Switches(boolean graphs, boolean overlap, Cublas cublas, boolean persistent) {
  /** Whether cuBLAS computes dense linear maps. */
  public enum Cublas {
    /** Never; it is not even loaded. */
    FALSE,
    /** Where it is there. */
    TRUE,
    /** Where it is there, is faster and has many rows to compute; see {@link KernelTimes}. */
    AUTO
  }

  /** With a launch for every step. */
  public Switches(boolean graphs, boolean overlap, Cublas cublas) {
    this(graphs, overlap, cublas, false);
  }

  /** Those of the system properties. */
  static Switches given() {
    return new Switches(
        !Boolean.getBoolean("fovea.cuda.eager"),
        Boolean.parseBoolean(System.getProperty("fovea.cuda.overlap", "true")),
        cublas(System.getProperty("fovea.cuda.cublas", "auto")),
        Boolean.getBoolean("fovea.cuda.persistent"));
  }

  /** How decode steps are launched, in words. */
  String decoding() {
    return persistent
        ? "a decode step's layers in one launch, by -Dfovea.cuda.persistent=true"
        : "a decode step's layers in a launch an op; in one with -Dfovea.cuda.persistent=true";
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
