/**
 * The command line: reads flags, asks the library and prints what came back; the only place that writes to standard output. May depend
 * on every other module, and nothing depends on it. Start at {@link dev.fovea.cli.Main}.
 */
@NullMarked
package dev.fovea.cli;

import org.jspecify.annotations.NullMarked;
