/** Who may import whom, over all modules; a package of its own, since the rules treat the command line's differently. */
@NullMarked
package dev.fovea.architecture;

import org.jspecify.annotations.NullMarked;
