package dev.fovea.model.layer;

import dev.fovea.program.Value;
import org.jspecify.annotations.Nullable;

/** x [T,I] → x·wᵀ + b [T,O], whatever type w was stored in. */
public record Linear(Value w, @Nullable Value b) {

  public Value apply(Value x) {
    return x.linear(w, b);
  }
}
