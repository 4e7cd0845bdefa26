/**
 * The check harness: every kernel of a device against its op's definition, with guard zones, odd addresses and error bounds; and wrong
 * kernels that it must catch. Depends on core alone and prints nothing. Start at {@link dev.fovea.testkit.Harness}.
 */
@NullMarked
package dev.fovea.testkit;

import org.jspecify.annotations.NullMarked;
