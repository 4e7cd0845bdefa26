/**
 * Text to token ids and back: LLaMA's SentencePiece BPE from {@code tokenizer.model}, {@code tokenizer.json} or GGUF metadata, one
 * implementation for all three. Depends on {@code dev.fovea.error} and, for JSON, on Jackson; knows nothing of prompts, images or
 * weights. Start at {@link dev.fovea.model.text.Tokenizer}.
 */
@NullMarked
package dev.fovea.model.text;

import org.jspecify.annotations.NullMarked;
