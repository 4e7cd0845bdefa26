/** Tests of the picture package against goldens made with Pillow, and against hostile files. Depends on JUnit and Jazzer. Start at {@code Goldens}. */
@NullMarked
package dev.fovea.model.image;

import org.jspecify.annotations.NullMarked;
