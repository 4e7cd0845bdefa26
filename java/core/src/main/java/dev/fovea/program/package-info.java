/**
 * Programs: what the model code records when it runs once on symbolic values, and the passes over that record. Depends on tensors and ops.
 * Start at {@link dev.fovea.program.Trace}; the passes are {@link dev.fovea.program.Fuse} and {@link dev.fovea.program.Plan}.
 */
@NullMarked
package dev.fovea.program;

import org.jspecify.annotations.NullMarked;
