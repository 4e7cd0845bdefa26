/**
 * The models as pure functions on symbolic values: CLIP's vision tower, the projectors, LLaMA's decoder. Depends on programs and ops, and
 * knows nothing of files, devices or element types. Start at {@link dev.fovea.model.layer.DecoderLayer}.
 */
@NullMarked
package dev.fovea.model.layer;

import org.jspecify.annotations.NullMarked;
