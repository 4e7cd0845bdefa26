/**
 * Benchmarks of single ops, layers, tokens, prompts, pictures, first tokens, loading and downcalls, on JMH, each of which checks what it
 * computed. May use everything but the command line, and nothing uses it. Start at {@link dev.fovea.bench.Benchmarks}.
 */
@NullMarked
package dev.fovea.bench;

import org.jspecify.annotations.NullMarked;
