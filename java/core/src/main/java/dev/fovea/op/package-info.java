/**
 * The ops a model is made of, one file each: shape rule, plain-loop definition, error bound, cost and test cases. Depends on tensors
 * and on the program types. Start at {@link dev.fovea.op.Op}, then read {@link dev.fovea.op.RmsNorm} as the example.
 */
@NullMarked
package dev.fovea.op;

import org.jspecify.annotations.NullMarked;
