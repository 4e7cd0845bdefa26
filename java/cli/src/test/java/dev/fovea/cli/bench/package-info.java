/** That the guard bites and does not cry wolf, that plans are the committed ones, and that history only grows. */
@org.jspecify.annotations.NullMarked
package dev.fovea.cli.bench;
