/**
 * What turns one checkpoint into another: sizes and vocabularies in the form the writers take them. Depends on the checkpoint readers of
 * {@code weights} and {@code model}. Start at {@link dev.fovea.tools.Sources}.
 */
@NullMarked
package dev.fovea.tools;

import org.jspecify.annotations.NullMarked;
