/** Tests of the harness by kernels known to be right or wrong, and of the rules of the house. Depends on JUnit and ArchUnit. Start at {@code HarnessTest}. */
@NullMarked
package dev.fovea.testkit;

import org.jspecify.annotations.NullMarked;
