// The kernel table and the C ABI.

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <new>
#include <vector>

#include "common/blocks.h"
#include "context.h"
#include "fovea/cuda.h"

#define FOVEA_EXPORT extern "C" __attribute__((visibility("default")))

namespace fovea {

// The lists of kernel lines. For one op and signature the plainest kernel comes first, the best last.
// clang-format off
#define FOVEA_OPS(X) \
  X(resize) \
  X(patchify) \
  X(concat_rows) \
  X(embed) \
  X(layer_norm) \
  X(rms_norm) \
  X(linear) \
  X(rope) \
  X(kv_append) \
  X(attention) \
  X(paged_attention) \
  X(quick_gelu) \
  X(gelu) \
  X(silu_mul) \
  X(add) \
  X(take_rows) \
  X(token_at) \
  X(sample) \
  X(put_token) \
  X(advance)
// clang-format on

#define DECLARE(list) extern const KernelList list;
FOVEA_OPS(DECLARE)

namespace {

// Set before any constructor runs, so that modules can enlist from theirs.
constinit Module *modules = nullptr;
constinit int function_count = 0;

const std::vector<const Kernel *> &table() {
  static const std::vector<const Kernel *> lines = [] {
#define ENTRY(list) &list,
    const KernelList *const lists[] = {FOVEA_OPS(ENTRY)};
    std::vector<const Kernel *> all;
    for (const KernelList *list : lists)
      for (int i = 0; i < list->count; i++) all.push_back(&list->kernels[i]);
    return all;
  }();
  return lines;
}

const Kernel *line(int64_t index) {
  const auto &lines = table();
  return index >= 0 && index < static_cast<int64_t>(lines.size())
             ? lines[static_cast<size_t>(index)]
             : nullptr;
}

// Counters and scratch memory, or nothing.
int64_t memory_of(const Kernel &k, const DeviceInfo &device, const void *args) {
  int64_t bytes = k.scratch(device, args);
  return bytes > 0 ? COUNTERS * static_cast<int64_t>(sizeof(int32_t)) + bytes : 0;
}

}  // namespace

struct Message {
  char *text;
  int32_t bytes;
  template <class... T>
  void operator()(const char *format, T... values) const {
    if (text && bytes > 0) snprintf(text, static_cast<size_t>(bytes), format, values...);
  }
};

Module::Module(const char *name) : name(name), next(modules) { modules = this; }

FunctionLine::FunctionLine(Module &module, const char *name, size_t params_bytes, int shared_bytes,
                           Part part)
    : name(name),
      params_bytes(params_bytes),
      shared_bytes(shared_bytes),
      index(function_count++),
      part(part),
      next(module.functions) {
  module.functions = this;
}

int32_t Context::open(const fovea_cuda_module *images, int32_t count, const Message &message) {
  const char *why = nullptr;
  driver = find_driver(&why);
  if (!driver) {
    message("%s", why);
    return FOVEA_E_UNSUPPORTED;
  }
  CUdevice id = 0;
  int major = 0, minor = 0, cache = 0;
  CUresult result = driver->CtxGetDevice(&id);
  const struct {
    int attribute;
    int *value;
  } queries[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &major},
                 {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &minor},
                 {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &device.multiprocessors},
                 {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &device.shared_bytes},
                 {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, &cache}};
  for (const auto &q : queries)
    if (!result) result = driver->DeviceGetAttribute(q.value, q.attribute, id);
  if (result) {
    message("no device in the current context: %s, %s", text(result), explanation(result));
    return FOVEA_E_UNSUPPORTED;
  }
  device.capability = major * 10 + minor;
  device.cache_bytes = cache;
  if (device.capability < 80) {
    message("compute capability %d.%d; 8.0 is needed", major, minor);
    return FOVEA_E_UNSUPPORTED;
  }
  overlap = device.capability >= 90;
  functions.resize(static_cast<size_t>(function_count));
  for (const Module *m = modules; m; m = m->next) {
    CUmodule from = nullptr;
    if (!KERNELS_BUILT_IN) {
      const fovea_cuda_module *image = nullptr;
      for (int32_t i = 0; i < count && !image; i++)
        if (images[i].name && images[i].image && !strcmp(images[i].name, m->name))
          image = &images[i];
      if (!image) {
        message("no image of module %s", m->name);
        return FOVEA_E_ARGUMENT;
      }
      result = driver->ModuleLoadData(&from, image->image);
      if (result) {
        message("module %s does not load: %s, %s", m->name, text(result), explanation(result));
        return FOVEA_E_UNSUPPORTED;
      }
      loaded.push_back(from);
    }
    int32_t status = resolve(*m, from, message);
    if (status != FOVEA_OK) return status;
  }
  return FOVEA_OK;
}

int32_t Context::resolve(const Module &module, CUmodule from, const Message &message) {
  for (const FunctionLine *f = module.functions; f; f = f->next) {
    CUfunction function = nullptr;
    CUresult result = driver->ModuleGetFunction(&function, from, f->name);
    if (result) {
      message("module %s has no kernel %s: %s", module.name, f->name, text(result));
      return FOVEA_E_ARGUMENT;
    }
    size_t offset = 0, bytes = 0;
    if (driver->FuncGetParamInfo &&
        (driver->FuncGetParamInfo(function, 0, &offset, &bytes) || bytes != f->params_bytes)) {
      message("kernel %s takes %zu bytes of params, its launcher gives %zu", f->name, bytes,
              f->params_bytes);
      return FOVEA_E_ARGUMENT;
    }
    if (f->shared_bytes > 48 * 1024) {
      // The device's limit counts what the kernel declares, too.
      int declared = 0;
      if (driver->FuncGetAttribute(&declared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function))
        declared = 0;
      int room = device.shared_bytes - declared;
      int most = f->shared_bytes < room ? f->shared_bytes : room;
      result =
          driver->FuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, most);
      if (result) {
        message("kernel %s cannot have %d bytes of shared memory: %s", f->name, most, text(result));
        return FOVEA_E_UNSUPPORTED;
      }
    }
    int ptx = 0;
    if (overlap && driver->FuncGetAttribute(&ptx, CU_FUNC_ATTRIBUTE_PTX_VERSION, function) == 0)
      overlap = ptx >= 90;
    functions[static_cast<size_t>(f->index)] = function;
  }
  return FOVEA_OK;
}

int32_t Context::step(const fovea_cuda_step &step, int32_t index, uint8_t *scratch,
                      int64_t scratch_bytes, void *stream, Phases *phases,
                      const Message &message) const {
  const Kernel *k = line(step.kernel);
  if (!k || !step.args) {
    message("step %" PRId32 ": no kernel %" PRId64, index, step.kernel);
    return FOVEA_E_ARGUMENT;
  }
  int64_t wanted = memory_of(*k, device, step.args);
  if (wanted > scratch_bytes || (wanted > 0 && !scratch)) {
    message("step %" PRId32 ", %s: %" PRId64 " bytes of scratch memory, %" PRId64 " needed", index,
            k->op, scratch_bytes, wanted);
    return FOVEA_E_ARGUMENT;
  }
  Launch launch(*this, device, scratch, stream, error, index, phases);
  k->run(launch, step.args);
  if (launch.status_ != FOVEA_OK)
    message("step %" PRId32 ", %s (%s)%s%s: %s", index, k->op, k->variant,
            launch.failed_ ? ", kernel " : "", launch.failed_ ? launch.failed_->name : "",
            launch.why_);
  return launch.status_;
}

CUresult Context::launch(const FunctionLine &function, Grid grid, int threads, int shared_bytes,
                         void *params, const Options &options, void *stream) const {
  CUlaunchAttribute attributes[3]{};
  unsigned count = 0;
  if (options.overlap && overlap && overlap_allowed) {
    attributes[count].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attributes[count++].value.programmaticStreamSerializationAllowed = 1;
  }
  if (options.cooperative) {
    attributes[count].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    attributes[count++].value.cooperative = 1;
  }
  if (options.cluster > 1) {
    attributes[count].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    attributes[count++].value.clusterDim = {static_cast<unsigned>(options.cluster), 1, 1};
  }
  CUlaunchConfig config{static_cast<unsigned>(grid.x),
                        static_cast<unsigned>(grid.y),
                        static_cast<unsigned>(grid.z),
                        static_cast<unsigned>(threads),
                        1,
                        1,
                        static_cast<unsigned>(shared_bytes),
                        static_cast<CUstream>(stream),
                        attributes,
                        count};
  void *list[] = {params};
  return driver->LaunchKernelEx(&config, functions[static_cast<size_t>(function.index)], list,
                                nullptr);
}

bool Launch::settle() {
  if (status_ != FOVEA_OK) return false;
  if (!phases_) return true;
  CUresult result = phases_->flush(&failed_);
  if (result) fail(FOVEA_E_UNSUPPORTED, context_.text(result));
  return !result && phases_->launches();
}

void Launch::enqueue(const FunctionLine &function, Grid grid, int threads, int shared_bytes,
                     void *params, const Options &options) {
  if (status_ != FOVEA_OK) return;
  failed_ = &function;
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > INT_MAX || grid.y > 65535 ||
      grid.z > 65535 || threads < 1 || threads > 1024)
    return fail(FOVEA_E_ARGUMENT, "a grid that no device takes");
  if (shared_bytes < 0 || shared_bytes > device.shared_bytes ||
      shared_bytes > (function.shared_bytes > 48 * 1024 ? function.shared_bytes : 48 * 1024))
    return fail(FOVEA_E_ARGUMENT, "more shared memory than the kernel or the device has");
  failed_ = nullptr;
  if (phases_) {
    auto takes = [&] {
      return phases_->takes(function, grid, threads, shared_bytes, params, options);
    };
    if (takes()) return;
    bool goes_on = settle();
    if (status_ != FOVEA_OK || takes() || !goes_on) return;
  }
  failed_ = &function;
  CUresult result =
      context_.launch(function, grid, threads, shared_bytes, params, options, stream_);
  if (result) return fail(FOVEA_E_UNSUPPORTED, context_.text(result));
  failed_ = nullptr;
}

void Launch::matrix(TensorMap &map, const void *data, int32_t dtype, int64_t columns, int64_t rows,
                    int64_t pitch, int box_rows) {
  const uint64_t extents[] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)};
  const uint64_t stride = static_cast<uint64_t>(pitch) * 2;
  const uint32_t box[] = {64, static_cast<uint32_t>(box_rows)}, steps[] = {1, 1};
  CUresult result = context_.driver->TensorMapEncodeTiled(
      &map, dtype == FOVEA_F16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
      2, const_cast<void *>(data), extents, &stride, box, steps, 0, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, 0);
  if (result) fail(FOVEA_E_UNSUPPORTED, context_.text(result));
}

namespace {

// Bytes of a block before its weights.
template <class Block>
constexpr size_t HEAD = offsetof(Block, q);

template <class Block>
void split(const void *blocks, int64_t count, void *quants, void *scales) {
  auto *from = static_cast<const Block *>(blocks);
  auto *q = static_cast<uint8_t *>(quants);
  auto *d = static_cast<uint8_t *>(scales);
  for (int64_t i = 0; i < count; i++) {
    memcpy(q + i * static_cast<int64_t>(sizeof from->q), from[i].q, sizeof from->q);
    memcpy(d + i * HEAD<Block>, from + i, HEAD<Block>);
  }
}

template <class Block>
void join(const void *quants, const void *scales, int64_t count, void *blocks) {
  auto *q = static_cast<const uint8_t *>(quants);
  auto *d = static_cast<const uint8_t *>(scales);
  auto *to = static_cast<Block *>(blocks);
  for (int64_t i = 0; i < count; i++) {
    memcpy(to[i].q, q + i * static_cast<int64_t>(sizeof to->q), sizeof to->q);
    memcpy(to + i, d + i * HEAD<Block>, HEAD<Block>);
  }
}

bool block_type(int32_t dtype) {
  return dtype == FOVEA_Q4_0 || dtype == FOVEA_Q8_0 || dtype == FOVEA_Q4_G128;
}

}  // namespace
}  // namespace fovea

using namespace fovea;

struct fovea_cuda : Context {};

FOVEA_EXPORT int32_t fovea_abi_version(void) { return FOVEA_ABI_VERSION; }

FOVEA_EXPORT int32_t fovea_cuda_module_count(void) {
  int32_t count = 0;
  if (!KERNELS_BUILT_IN)
    for (const Module *m = modules; m; m = m->next) count++;
  return count;
}

FOVEA_EXPORT const char *fovea_cuda_module_at(int32_t index) {
  if (index < 0 || index >= fovea_cuda_module_count()) return nullptr;
  const Module *m = modules;
  while (index-- > 0) m = m->next;
  return m->name;
}

FOVEA_EXPORT int32_t fovea_cuda_kernel_count(void) { return static_cast<int32_t>(table().size()); }

FOVEA_EXPORT int32_t fovea_cuda_kernel_at(int32_t index, fovea_cuda_kernel *out) {
  const Kernel *k = line(index);
  if (!k || !out) return FOVEA_E_ARGUMENT;
  *out = {k->op, k->signature, k->variant, k->capability, k->args_bytes};
  return FOVEA_OK;
}

FOVEA_EXPORT int32_t fovea_cuda_open(const fovea_cuda_module *images, int32_t count, void *error,
                                     fovea_cuda **out, char *message, int32_t message_bytes) {
  Message say{message, message_bytes};
  if (!out || !error || count < 0 || (count > 0 && !images)) {
    say("no place for the context or the error, or no modules");
    return FOVEA_E_ARGUMENT;
  }
  fovea_cuda *cuda = nullptr;
  try {
    cuda = new fovea_cuda;
    cuda->error = static_cast<int32_t *>(error);
    int32_t status = cuda->open(images, count, say);
    if (status == FOVEA_OK) {
      *out = cuda;
    } else {
      delete cuda;
    }
    return status;
  } catch (const std::bad_alloc &) {
    delete cuda;
    say("out of memory");
    return FOVEA_E_MEMORY;
  }
}

FOVEA_EXPORT void fovea_cuda_close(fovea_cuda *cuda) { delete cuda; }

FOVEA_EXPORT void fovea_cuda_overlap(fovea_cuda *cuda, int32_t allowed) {
  if (cuda) cuda->overlap_allowed = allowed != 0;
}

FOVEA_EXPORT void fovea_cuda_offer_gemm(fovea_cuda *cuda, fovea_cuda_gemm gemm) {
  if (cuda) cuda->device.gemm = gemm;
}

FOVEA_EXPORT const char *fovea_cuda_rejects(const fovea_cuda *cuda, int32_t index,
                                            const void *args) {
  const Kernel *k = line(index);
  if (!cuda || !k || !args) return "no such kernel";
  if (k->capability > cuda->device.capability) return "this device's compute capability is lower";
  return k->rejects(cuda->device, args);
}

FOVEA_EXPORT int64_t fovea_cuda_scratch_bytes(const fovea_cuda *cuda, int32_t index,
                                              const void *args) {
  const Kernel *k = line(index);
  return cuda && k && args ? memory_of(*k, cuda->device, args) : 0;
}

FOVEA_EXPORT const char *fovea_cuda_rejects_persistent(const fovea_cuda *cuda) {
  return cuda ? cuda->rejects_persistent() : "no context";
}

namespace {

int32_t walk(fovea_cuda *cuda, const fovea_cuda_step *steps, int32_t count, void *scratch,
             int64_t scratch_bytes, void *stream, Phases *phases, int32_t *failed,
             const Message &say) {
  if (!cuda || count < 0 || (count > 0 && !steps)) {
    say("no context, or no steps");
    return FOVEA_E_ARGUMENT;
  }
  for (int32_t i = 0; i < count; i++) {
    int32_t status = cuda->step(steps[i], i, static_cast<uint8_t *>(scratch), scratch_bytes, stream,
                                phases, say);
    if (status != FOVEA_OK) {
      if (failed) *failed = i;
      return status;
    }
  }
  const FunctionLine *last = nullptr;
  CUresult result = phases ? phases->flush(&last) : 0;
  if (!result) return FOVEA_OK;
  say("kernel %s: %s", last->name, cuda->text(result));
  if (failed) *failed = count - 1;
  return FOVEA_E_UNSUPPORTED;
}

}  // namespace

FOVEA_EXPORT int32_t fovea_cuda_enqueue(fovea_cuda *cuda, const fovea_cuda_step *steps,
                                        int32_t count, void *scratch, int64_t scratch_bytes,
                                        void *stream, int32_t *failed, char *message,
                                        int32_t message_bytes) {
  return walk(cuda, steps, count, scratch, scratch_bytes, stream, nullptr, failed,
              {message, message_bytes});
}

FOVEA_EXPORT int32_t fovea_cuda_table(fovea_cuda *cuda, const fovea_cuda_step *steps, int32_t count,
                                      void *scratch, int64_t scratch_bytes, void *table,
                                      int64_t *table_bytes, char *message, int32_t message_bytes) {
  Message say{message, message_bytes};
  if (!cuda || !table_bytes) {
    say("no context, or no place for the number of bytes");
    return FOVEA_E_ARGUMENT;
  }
  try {
    Phases phases(*cuda, static_cast<uint8_t *>(table), table ? *table_bytes : 0);
    int32_t status =
        walk(cuda, steps, count, scratch, scratch_bytes, nullptr, &phases, nullptr, say);
    if (status != FOVEA_OK) return status;
    if (table && phases.bytes() > *table_bytes) {
      say("a table of %" PRId64 " bytes, %" PRId64 " needed", *table_bytes, phases.bytes());
      return FOVEA_E_ARGUMENT;
    }
    *table_bytes = phases.bytes();
    return FOVEA_OK;
  } catch (const std::bad_alloc &) {
    say("out of memory");
    return FOVEA_E_MEMORY;
  }
}

FOVEA_EXPORT int32_t fovea_cuda_enqueue_persistent(fovea_cuda *cuda, const fovea_cuda_step *steps,
                                                   int32_t count, void *scratch,
                                                   int64_t scratch_bytes, const void *table,
                                                   void *stream, int32_t *failed, char *message,
                                                   int32_t message_bytes) {
  Message say{message, message_bytes};
  if (!cuda || !table) {
    say("no context, or no table");
    return FOVEA_E_ARGUMENT;
  }
  try {
    Phases phases(*cuda, static_cast<const uint8_t *>(table), stream);
    return walk(cuda, steps, count, scratch, scratch_bytes, stream, &phases, failed, say);
  } catch (const std::bad_alloc &) {
    say("out of memory");
    return FOVEA_E_MEMORY;
  }
}

FOVEA_EXPORT int32_t fovea_cuda_split_blocks(int32_t dtype, const void *blocks, int64_t count,
                                             void *quants, void *scales) {
  if (!block_type(dtype) || count < 0 || (count > 0 && (!blocks || !quants || !scales)))
    return FOVEA_E_ARGUMENT;
  (dtype == FOVEA_Q4_0   ? split<fovea_q4_0>
   : dtype == FOVEA_Q8_0 ? split<fovea_q8_0>
                         : split<fovea_q4_g128>)(blocks, count, quants, scales);
  return FOVEA_OK;
}

FOVEA_EXPORT int32_t fovea_cuda_join_blocks(int32_t dtype, const void *quants, const void *scales,
                                            int64_t count, void *blocks) {
  if (!block_type(dtype) || count < 0 || (count > 0 && (!blocks || !quants || !scales)))
    return FOVEA_E_ARGUMENT;
  (dtype == FOVEA_Q4_0   ? join<fovea_q4_0>
   : dtype == FOVEA_Q8_0 ? join<fovea_q8_0>
                         : join<fovea_q4_g128>)(quants, scales, count, blocks);
  return FOVEA_OK;
}
