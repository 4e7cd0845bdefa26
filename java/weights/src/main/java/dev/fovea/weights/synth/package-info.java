/**
 * Checkpoints of any size made of seeded random numbers, for tests and benchmarks without downloads. Depends on the writers of
 * {@code dev.fovea.weights} and the layouts of its {@code convert} package. Start at {@link dev.fovea.weights.synth.Synth}.
 */
@NullMarked
package dev.fovea.weights.synth;

import org.jspecify.annotations.NullMarked;
