/**
 * Fovea for those who build on it: open a model, ask about a spot in a picture, read the answer as it comes. Depends on the engine beneath it,
 * the models and core. Start at {@link dev.fovea.Fovea}.
 */
@NullMarked
package dev.fovea;

import org.jspecify.annotations.NullMarked;
