package dev.fovea.cuda;

/**
 * What may be switched off to find a fault or to measure what it is worth; results have the same bits either way.
 *
 * @param graphs runs replay a captured graph; else every step is launched in every run ({@code -Dfovea.cuda.eager=true})
 * @param overlap a kernel may start while the one before still runs, where the device can ({@code -Dfovea.cuda.overlap=false})
 */
record Switches(boolean graphs, boolean overlap) {

  static Switches given() {
    return new Switches(
        !Boolean.getBoolean("fovea.cuda.eager"),
        Boolean.parseBoolean(System.getProperty("fovea.cuda.overlap", "true")));
  }
}
