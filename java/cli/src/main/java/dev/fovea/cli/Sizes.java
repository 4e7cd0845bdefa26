package dev.fovea.cli;

import java.util.Locale;

/** Counts and sizes for people. */
final class Sizes {
  private Sizes() {}

  /** Bytes as llama-bench writes them: {@code 3.56 GiB}. */
  static String bytes(long bytes) {
    if (bytes >= 1L << 30) {
      return String.format(Locale.ROOT, "%.2f GiB", bytes / 0x1p30);
    }
    if (bytes >= 1 << 20) {
      return String.format(Locale.ROOT, "%.2f MiB", bytes / 0x1p20);
    }
    return bytes >= 1024 ? String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0) : bytes + " B";
  }

  /** A count as llama-bench writes parameters: {@code 6.74 B}. */
  static String count(long n) {
    return n >= 1_000_000_000
        ? String.format(Locale.ROOT, "%.2f B", n / 1e9)
        : String.format(Locale.ROOT, "%.2f M", n / 1e6);
  }
}
