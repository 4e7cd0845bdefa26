package dev.fovea.server;

import dev.fovea.Fovea;
import java.time.Instant;

/**
 * The model that is served.
 *
 * @param name as the API calls it
 * @param since when it was opened
 */
record Model(Fovea fovea, String name, Metrics metrics, Instant since) {
  static Model of(Fovea fovea, String name) {
    String backend = fovea.backend();
    int colon = backend.indexOf(':');
    Metrics metrics =
        new Metrics(name, colon < 0 ? backend : backend.substring(0, colon), fovea::load);
    return new Model(fovea, name, metrics, Instant.now());
  }

  void close() {
    metrics.close();
    fovea.close();
  }
}
