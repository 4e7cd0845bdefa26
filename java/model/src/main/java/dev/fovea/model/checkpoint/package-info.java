/**
 * Opens what people have: Hugging Face directories, original LLaVA directories, GGUF pairs. Turns configuration files into dims and files into
 * parameters by canonical name. Depends on weights, text, prompt and image. Start at {@link dev.fovea.model.checkpoint.LoadedModel}.
 */
@NullMarked
package dev.fovea.model.checkpoint;

import org.jspecify.annotations.NullMarked;
