/**
 * What a measurement is made of: pairs of samples and the interval of their ratio, the guard against slower commits, plans as text, peers,
 * history and plots. Depends on the engine and JSON, prints nothing. Start at {@link dev.fovea.cli.bench.Contest}.
 */
@NullMarked
package dev.fovea.cli.bench;

import org.jspecify.annotations.NullMarked;
