/**
 * Prompts: conversation templates, the texts that point at a spot of the picture, and the ids all of it becomes, with a place held for
 * each image. Depends on {@code dev.fovea.model.text} and {@code dev.fovea.error}; knows nothing of weights or pixels, only sizes. Start
 * at {@link dev.fovea.model.prompt.Template}, then {@link dev.fovea.model.prompt.RegionPreset}.
 */
@NullMarked
package dev.fovea.model.prompt;

import org.jspecify.annotations.NullMarked;
