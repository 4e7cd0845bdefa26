/**
 * A LLaVA-family model put together: its configuration, where each parameter goes, and the two programs it runs (picture to features, tokens
 * to logits). Depends on weights and core, never on a backend. Start at {@link dev.fovea.model.Llava}.
 */
@NullMarked
package dev.fovea.model;

import org.jspecify.annotations.NullMarked;
