package dev.fovea.model;

import dev.fovea.error.InputException;

/** Bounds on configuration numbers, so that no later arithmetic meets a senseless one. */
final class Check {
  private Check() {}

  static void between(String field, int value, int low, int high) {
    if (value < low || value > high) {
      throw InputException.mismatch(field, low + " to " + high, value);
    }
  }

  static void epsilon(String field, double value) {
    if (!(value > 0 && value < 1)) { // also refuses NaN
      throw InputException.mismatch(field, "a number between 0 and 1", value);
    }
  }

  static void positive(String field, double value) {
    if (!(value > 0) || Double.isInfinite(value)) {
      throw InputException.mismatch(field, "a positive number", value);
    }
  }
}
