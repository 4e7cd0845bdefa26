/**
 * What lies under the public API: the compiled programs, the pages of the key-value cache and who shares them, sampling. Depends on model and
 * core. Start at {@link dev.fovea.engine.Runner}, then {@link dev.fovea.engine.Generator}.
 */
@NullMarked
package dev.fovea.engine;

import org.jspecify.annotations.NullMarked;
