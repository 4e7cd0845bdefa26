package dev.fovea.opencl;

import dev.fovea.error.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How much a device wants at once: the shape of launches follows, never what they compute.
 *
 * @param items work-items of a group, as measured: 1 where each has a processor of its own, more where they share one
 * @param groups from which no part of the device is idle
 */
record Tuning(int items, int groups) {
  /** Takes the place of what is measured: {@code 8x64} for groups of 8 items, 64 of them to fill the device. */
  static final String PROPERTY = "fovea.opencl.tuning";

  private static final System.Logger LOG = System.getLogger(Tuning.class.getName());
  private static final Pattern TEXT = Pattern.compile("([1-9][0-9]{0,2})x([1-9][0-9]{0,6})");

  /** What is kept in a file, or else is measured and kept there. */
  static Tuning of(Found device, Path file, Supplier<Tuning> measure) {
    String given = System.getProperty(PROPERTY);
    if (given != null) {
      Tuning tuning = parse(given);
      if (tuning == null) {
        throw InputException.mismatch(PROPERTY, "a text like 8x64", "'" + given + "'");
      }
      return tuning;
    }
    try {
      Tuning kept = parse(Files.readString(file).strip());
      if (kept != null) {
        return kept;
      }
    } catch (IOException e) {
      // not measured yet, or not readable: measured again
    }
    long start = System.nanoTime();
    Tuning tuning = measure.get();
    LOG.log(
        System.Logger.Level.INFO,
        "tuned for {0}: work-groups of {1} ({2} ms; kept in {3})",
        device.name(),
        String.valueOf(tuning.items),
        String.valueOf((System.nanoTime() - start) / 1_000_000),
        file);
    tuning.keep(file);
    return tuning;
  }

  private static @Nullable Tuning parse(String text) {
    Matcher m = TEXT.matcher(text);
    return m.matches()
        ? new Tuning(Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)))
        : null;
  }

  /** As a whole or not at all. */
  private void keep(Path file) {
    try {
      Path folder = Files.createDirectories(file.toAbsolutePath().getParent());
      Path fresh = Files.createTempFile(folder, "tuning", ".tmp");
      try {
        Files.writeString(fresh, items + "x" + groups + "\n");
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(fresh);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.DEBUG, "{0} cannot be kept: {1}", file, e.getMessage());
    }
  }
}
