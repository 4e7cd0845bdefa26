package dev.fovea.cli.bench;

import dev.fovea.backend.Backend;
import dev.fovea.backend.Device;
import dev.fovea.backend.DeviceOptions;
import dev.fovea.backend.Executable;
import dev.fovea.engine.Generator;
import dev.fovea.engine.Runner;
import dev.fovea.error.BackendException;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.checkpoint.OpenOptions;
import dev.fovea.program.Cost;
import dev.fovea.tensor.DType;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The programs of a model as each backend plans them, and what a run of each costs in countable things: texts that are committed. */
public final class Plans {
  /** How to write them anew. */
  public static final String COMMAND = "./fovea bench --plans bench/plans";

  private static final int CONTEXT = 1024;
  private static final int PAGE = 32;
  private static final int ROWS = 512;

  private Plans() {}

  /** File name → text, of every tier that this machine can open. */
  public static Map<String, String> of(Path model) {
    Map<String, String> texts = new LinkedHashMap<>();
    for (String tier : List.of("scalar", "avx2", "avx512", "avx512_bf16")) {
      add(texts, "cpu-" + tier + ".txt", model, "cpu", tier);
    }
    add(texts, "cuda-90.txt", model, "cuda-emulated", "90");
    return texts;
  }

  private static void add(
      Map<String, String> texts, String file, Path model, String backend, String tier) {
    if (Backend.named(backend).unavailable() != null) {
      return;
    }
    try (Device device = Backend.named(backend).open(new DeviceOptions(1, tier))) {
      texts.put(file, text(model, device));
    } catch (BackendException e) {
      if (!String.valueOf(e.getMessage()).startsWith("this machine has no ")) {
        throw e;
      }
    }
  }

  private static String text(Path model, Device device) {
    try (LoadedModel loaded =
        LoadedModel.open(model, new OpenOptions(null, null, null, null, null))) {
      Runner.Sizes sizes = new Runner.Sizes(
          CONTEXT, 2 * CONTEXT / PAGE, PAGE, DType.F16, ROWS, 1, loaded.textVocabulary());
      StringBuilder text = new StringBuilder();
      try (Generator generator =
          new Generator(device, loaded.config(), loaded.parameters(), sizes)) {
        for (Executable program : generator.runner().executables()) {
          Cost cost = Cost.of(program.plan());
          text.append(String.format(
              Locale.ROOT,
              "# %s: %d kernels, %d bytes of traffic, %.0f operations, arena %d bytes%n",
              program.plan().program().name(),
              cost.kernels(),
              cost.bytes(),
              cost.operations(),
              cost.arenaBytes()));
        }
        for (Executable program : generator.runner().executables()) {
          text.append('\n').append(program.plan());
        }
      }
      return text.toString();
    }
  }
}
