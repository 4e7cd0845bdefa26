// Conversions between binary16, bfloat16 and binary32, to nearest even. Internal linkage: see run.h.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace fovea {
namespace {

[[maybe_unused]] inline float from_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

[[maybe_unused]] inline uint32_t to_bits(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

[[maybe_unused]] inline float from_half(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#elif defined(__ARM_NEON)
  __fp16 half;
  memcpy(&half, &h, 2);
  return half;
#else
  uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  uint32_t magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude >= 0x0400) return from_bits(sign | ((magnitude << 13) + 0x38000000));
  float f = static_cast<float>(magnitude) * 0x1p-24f;  // subnormal: exact
  return sign ? -f : f;
#endif
}

[[maybe_unused]] inline uint16_t to_half(float f) {
#if defined(__F16C__)
  return _cvtss_sh(f, 0);
#elif defined(__ARM_NEON)
  __fp16 half = static_cast<__fp16>(f);
  uint16_t bits;
  memcpy(&bits, &half, 2);
  return bits;
#else
  uint32_t bits = to_bits(f);
  uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to 65536 or more
  if (magnitude < 0x38800000) {                       // below 2^-14: steps of 2^-24
    float scaled = from_bits(magnitude) * 0x1p24f;
    uint32_t whole = static_cast<uint32_t>(scaled);
    float rest = scaled - static_cast<float>(whole);
    whole += rest > 0.5f || (rest == 0.5f && (whole & 1));
    return static_cast<uint16_t>(sign | whole);
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
#endif
}

[[maybe_unused]] inline float from_bfloat(uint16_t b) {
  return from_bits(static_cast<uint32_t>(b) << 16);
}

// NaN stays NaN.
[[maybe_unused]] inline uint16_t to_bfloat(float f) {
  uint32_t bits = to_bits(f);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace
}  // namespace fovea
