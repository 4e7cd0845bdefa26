/**
 * Pictures on devices: the resize that Pillow's goldens hold to account, on every backend. Depends on the model's pictures, in whose package
 * it lies, and on the backends. Start at {@link dev.fovea.model.image.ResizeOnDevicesTest}.
 */
@NullMarked
package dev.fovea.model.image;

import org.jspecify.annotations.NullMarked;
