/** Tests of the opencl backend on whatever device there is. They depend on PoCL or a GPU's driver. Start at {@link OpenClDeviceTest}. */
@org.jspecify.annotations.NullMarked
package dev.fovea.opencl;
