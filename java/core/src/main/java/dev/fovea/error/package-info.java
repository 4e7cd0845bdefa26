/**
 * The one family of exceptions a caller of Fovea can meet. Depends on nothing. Start at {@link dev.fovea.error.FoveaException}.
 */
@NullMarked
package dev.fovea.error;

import org.jspecify.annotations.NullMarked;
