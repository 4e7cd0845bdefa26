/**
 * The reference backend: every op by its own definition, in doubles, rounded where values are stored. Depends on the backend interfaces.
 * Start at {@link dev.fovea.reference.ReferenceBackend}.
 */
@NullMarked
package dev.fovea.reference;

import org.jspecify.annotations.NullMarked;
