package dev.fovea;

import java.util.Locale;

/** Why an answer ended. */
public enum FinishReason {
  /** The model said so, or a stop string came. */
  STOP,
  /** max_tokens or the context's end. */
  LENGTH,
  CANCELLED;

  /** As the OpenAI API spells it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
