/**
 * What every backend behind the C ABI needs: its library's file, the ABI's argument structs and status codes. Depends on core; binds no
 * function itself, each backend does that for its own. Start at {@link dev.fovea.binding.Args}; the ABI is {@code
 * native/include/fovea/fovea.h}.
 */
@NullMarked
package dev.fovea.binding;

import org.jspecify.annotations.NullMarked;
