// Sizes and types of tensor arguments, looked at by every backend. Internal linkage: the cpu backend compiles its files once
// per instruction-set tier, and code built for one tier must never be linked into another.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fovea/fovea.h"

namespace fovea {
namespace {

[[maybe_unused]] inline int64_t elements(const fovea_tensor &t) {
  int64_t n = 1;
  for (int i = 0; i < t.rank; i++) n *= t.dim[i];
  return n;
}

[[maybe_unused]] inline int64_t row_elements(const fovea_tensor &t) {
  return elements(t) / t.dim[0];
}

[[maybe_unused]] inline bool same_sizes(const fovea_tensor &a, const fovea_tensor &b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

// Every size at least 1 and the product within reason; data present.
[[maybe_unused]] inline bool sane(const fovea_tensor &t) {
  if (!t.data || t.rank < 1 || t.rank > 4) return false;
  int64_t n = 1;
  for (int i = 0; i < t.rank; i++) {
    if (t.dim[i] < 1 || n > (int64_t{1} << 40) / t.dim[i]) return false;
    n *= t.dim[i];
  }
  return true;
}

[[maybe_unused]] inline bool is(const fovea_tensor &t, int dtype, int rank) {
  return sane(t) && t.dtype == dtype && t.rank == rank;
}

[[maybe_unused]] inline const float *f32(const fovea_tensor &t) {
  return static_cast<const float *>(t.data);
}
[[maybe_unused]] inline float *out32(const fovea_tensor &t) { return static_cast<float *>(t.data); }
[[maybe_unused]] inline const int32_t *i32(const fovea_tensor &t) {
  return static_cast<const int32_t *>(t.data);
}
[[maybe_unused]] inline int32_t *out_i32(const fovea_tensor &t) {
  return static_cast<int32_t *>(t.data);
}
[[maybe_unused]] inline const uint8_t *u8(const fovea_tensor &t) {
  return static_cast<const uint8_t *>(t.data);
}

}  // namespace
}  // namespace fovea
