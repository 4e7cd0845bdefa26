/**
 * Pictures: decoding files, the weights of the exact bicubic resize, what a vision tower wants to see, and drawing answers back on the
 * picture. Depends on the JDK's ImageIO, TwelveMonkeys for lossless WebP, Jackson for the processor settings, and the ops and errors of core.
 * Start at {@link dev.fovea.model.image.Preprocessing}, which strings the steps together.
 */
@NullMarked
package dev.fovea.model.image;

import org.jspecify.annotations.NullMarked;
