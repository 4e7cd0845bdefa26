package dev.fovea.model;

import dev.fovea.tensor.DType;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;

/** Where a model's parameters come from, by canonical name ({@code layers.0.q}, {@code vision.blocks.3.fc1.weight}, …). */
public interface ParameterSource {

  /** The type a parameter is handed out in: vectors and position tables always as F32. */
  DType dtype(String name);

  /** Its bytes, which stay readable until the weights are closed; refuses another shape than it has. */
  MemorySegment data(String name, TensorType type);
}
