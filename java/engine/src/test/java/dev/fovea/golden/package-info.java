/** Whole models against numbers that transformers computed. Start at {@link dev.fovea.golden.GoldenTest}. */
@NullMarked
package dev.fovea.golden;

import org.jspecify.annotations.NullMarked;
