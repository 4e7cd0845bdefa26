/** That every benchmark runs. */
@org.jspecify.annotations.NullMarked
package dev.fovea.bench;
