package dev.fovea.model;

import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.function.Function;

/**
 * Declares a program's weights by their canonical names.
 *
 * @param dtypes the element type that each canonical name is stored in
 */
record Parameters(Trace trace, Function<String, DType> dtypes) {

  Value get(String name, Shape shape) {
    return trace.weight(name, new TensorType(dtypes.apply(name), shape));
  }
}
