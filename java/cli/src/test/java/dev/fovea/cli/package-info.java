/** Tests of the command line against a scripted model. Start at {@link dev.fovea.cli.Scripted}. */
@NullMarked
package dev.fovea.cli;

import org.jspecify.annotations.NullMarked;
