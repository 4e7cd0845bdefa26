/** The backend on the emulated device. Depends on JUnit and the testkit. Start at {@code EmulatedDeviceTest}. */
@NullMarked
package dev.fovea.cuda;

import org.jspecify.annotations.NullMarked;
