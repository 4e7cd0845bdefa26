// The driver table from libcuda.so.1.

#include "driver.h"

#include <dlfcn.h>

namespace fovea {

const bool KERNELS_BUILT_IN = false;

namespace {

struct Loaded {
  Driver table{};
  const char *why = nullptr;

  template <class F>
  void find(void *library, F &entry, const char *name, bool required = true) {
    entry = reinterpret_cast<F>(dlsym(library, name));
    if (!entry && required && !why) why = name;
  }

  Loaded() {
    // Never closed: the process's CUDA context lives in it.
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      why = "no libcuda.so.1: is NVIDIA's driver installed?";
      return;
    }
    find(library, table.CtxGetDevice, "cuCtxGetDevice");
    find(library, table.DeviceGetAttribute, "cuDeviceGetAttribute");
    find(library, table.ModuleLoadData, "cuModuleLoadData");
    find(library, table.ModuleUnload, "cuModuleUnload");
    find(library, table.ModuleGetFunction, "cuModuleGetFunction");
    find(library, table.FuncGetAttribute, "cuFuncGetAttribute");
    find(library, table.FuncSetAttribute, "cuFuncSetAttribute");
    find(library, table.FuncGetParamInfo, "cuFuncGetParamInfo", false);
    find(library, table.OccupancyMaxActiveBlocksPerMultiprocessor,
         "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    find(library, table.LaunchKernelEx, "cuLaunchKernelEx");
    find(library, table.TensorMapEncodeTiled, "cuTensorMapEncodeTiled");
    find(library, table.GetErrorName, "cuGetErrorName");
    find(library, table.GetErrorString, "cuGetErrorString");
    if (why) why = "libcuda.so.1 is older than CUDA 12";  // as cuTensorMapEncodeTiled is
  }
};

}  // namespace

const Driver *find_driver(const char **why) {
  static const Loaded loaded;
  *why = loaded.why;
  return loaded.why ? nullptr : &loaded.table;
}

}  // namespace fovea
