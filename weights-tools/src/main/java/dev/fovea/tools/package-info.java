/**
 * What makes checkpoints where none is read: vocabularies for synthesized models. Depends on the checkpoint writers of {@code weights} and
 * on {@code model}. Start at {@link dev.fovea.tools.LlamaVocabulary}.
 */
@NullMarked
package dev.fovea.tools;

import org.jspecify.annotations.NullMarked;
