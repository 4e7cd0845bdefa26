/** Relations that hold whatever the weights are. */
@NullMarked
package dev.fovea.engine;

import org.jspecify.annotations.NullMarked;
