/**
 * Numbers in memory: element types, named axes, shapes and off-heap tensors. Depends on nothing but the errors. Start at
 * {@link dev.fovea.tensor.Tensor}.
 */
@NullMarked
package dev.fovea.tensor;

import org.jspecify.annotations.NullMarked;
