package dev.fovea.backend;

/**
 * What a device can do at best, measured: nothing that runs on it can be faster. NaN where a device has no way to tell.
 *
 * @param read bytes a second that it reads from memory
 * @param int8 operations a second on 8-bit whole numbers; a multiply-add is two
 * @param bf16 the same on bfloat16
 */
public record Ceilings(double read, double int8, double bf16) {
  public static final Ceilings UNKNOWN = new Ceilings(Double.NaN, Double.NaN, Double.NaN);
}
