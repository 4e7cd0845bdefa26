/** The public API, from files to answers. */
@NullMarked
package dev.fovea;

import org.jspecify.annotations.NullMarked;
