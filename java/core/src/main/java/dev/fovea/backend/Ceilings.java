package dev.fovea.backend;

/**
 * What a device can do at best, measured: nothing that runs on it can be faster. NaN where a device has no way to tell.
 *
 * @param read bytes a second that it reads from memory
 * @param int8 operations a second on 8-bit whole numbers; a multiply-add is two
 * @param bf16 the same on bfloat16
 * @param f32 the same on binary32
 */
public record Ceilings(double read, double int8, double bf16, double f32) {
  public static final Ceilings UNKNOWN =
      new Ceilings(Double.NaN, Double.NaN, Double.NaN, Double.NaN);

  /** The most operations a second, on whichever numbers; NaN if none is known. */
  public double operations() {
    double most = 0;
    for (double rate : new double[] {int8, bf16, f32}) {
      most = rate > most ? rate : most;
    }
    return most > 0 ? most : Double.NaN;
  }
}
