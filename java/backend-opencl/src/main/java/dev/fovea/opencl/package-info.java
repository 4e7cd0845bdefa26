/**
 * The opencl backend: programs on any OpenCL device, kernels built from source when they are first needed. Depends on core, on the
 * binding package for the cache folder, and, alone in Fovea, on LWJGL. Start at {@link dev.fovea.opencl.OpenClBackend}; what each op
 * launches is in {@link dev.fovea.opencl.Recipes}.
 */
@NullMarked
package dev.fovea.opencl;

import org.jspecify.annotations.NullMarked;
