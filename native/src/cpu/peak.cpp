// The machine's ceiling in arithmetic: the tier's best instruction for sums of products, on registers alone, with enough
// sums at once to hide how long one takes.

#include "run.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fovea {
namespace {

constexpr int SUMS = 12;  // latency 4 or 5, two starts per cycle: 10 would do

// Keeps a sum in a register, and the compiler from knowing what it holds.
#if defined(__AVX512F__)
#define KEEP(x) asm volatile("" : "+v"(x))
#elif defined(__AVX2__)
#define KEEP(x) asm volatile("" : "+x"(x))
#elif defined(__ARM_NEON)
#define KEEP(x) asm volatile("" : "+w"(x))
#else
#define KEEP(x) asm volatile("" : "+r"(x))
#endif

#define EACH_SUM _Pragma("GCC unroll 12") for (int s = 0; s < SUMS; s++)

// Operations of one instruction (group) on one sum; a multiply-add is two.
#if defined(__AVX512VNNI__)
constexpr int64_t INT8 = 128;
#elif defined(__AVX2__)
constexpr int64_t INT8 = 64;
#elif defined(__ARM_FEATURE_MATMUL_INT8)
constexpr int64_t INT8 = 64;
#elif defined(__ARM_NEON)
constexpr int64_t INT8 = 32;
#else
constexpr int64_t INT8 = 2;
#endif

void int8(int64_t rounds) {
#if defined(__AVX512VNNI__)
  __m512i sum[SUMS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  EACH_SUM sum[s] = _mm512_setzero_si512();
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = _mm512_dpbusd_epi32(sum[s], a, b);
      KEEP(sum[s]);
    }
#elif defined(__AVX2__)
  __m256i sum[SUMS], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5), one = _mm256_set1_epi16(1);
  EACH_SUM sum[s] = _mm256_setzero_si256();
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      KEEP(a);  // or the product would be computed once
      sum[s] = _mm256_add_epi32(sum[s], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
      KEEP(sum[s]);
    }
#elif defined(__ARM_NEON)
  int32x4_t sum[SUMS];
  int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(5);
  EACH_SUM sum[s] = vdupq_n_s32(0);
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
#if defined(__ARM_FEATURE_MATMUL_INT8)
      sum[s] = vmmlaq_s32(sum[s], a, b);
#elif defined(__ARM_FEATURE_DOTPROD)
      sum[s] = vdotq_s32(sum[s], a, b);
#else
      KEEP(a);  // or the product would be computed once
      sum[s] = vpadalq_s16(sum[s], vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
#endif
      KEEP(sum[s]);
    }
#else
  int32_t sum[SUMS] = {}, a = 3, b = 5;
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      KEEP(a);
      sum[s] += a * b;
      KEEP(sum[s]);
    }
#endif
}

#if defined(__AVX512BF16__)
constexpr int64_t BF16 = 64;
#elif defined(__AVX512F__)
constexpr int64_t BF16 = 32;
#elif defined(__AVX2__)
constexpr int64_t BF16 = 16;
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
constexpr int64_t BF16 = 16;
#elif defined(__ARM_NEON)
constexpr int64_t BF16 = 8;
#else
constexpr int64_t BF16 = 2;
#endif

// Without an instruction for it, bfloat16 is multiplied as binary32.
void bf16(int64_t rounds) {
#if defined(__AVX512BF16__)
  __m512 sum[SUMS];
  __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1), _mm512_set1_ps(1)), b = a;
  EACH_SUM sum[s] = _mm512_setzero_ps();
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = _mm512_dpbf16_ps(sum[s], a, b);
      KEEP(sum[s]);
    }
#elif defined(__AVX512F__)
  __m512 sum[SUMS], a = _mm512_set1_ps(1), b = a;
  EACH_SUM sum[s] = _mm512_setzero_ps();
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = _mm512_fmadd_ps(a, b, sum[s]);
      KEEP(sum[s]);
    }
#elif defined(__AVX2__)
  __m256 sum[SUMS], a = _mm256_set1_ps(1), b = a;
  EACH_SUM sum[s] = _mm256_setzero_ps();
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = _mm256_fmadd_ps(a, b, sum[s]);
      KEEP(sum[s]);
    }
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  float32x4_t sum[SUMS];
  uint16x8_t one = vdupq_n_u16(0x3f80);
  KEEP(one);  // GCC 12 would load the constant with an instruction of binary16
  bfloat16x8_t a = vreinterpretq_bf16_u16(one), b = a;
  EACH_SUM sum[s] = vdupq_n_f32(0);
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = vbfdotq_f32(sum[s], a, b);
      KEEP(sum[s]);
    }
#elif defined(__ARM_NEON)
  float32x4_t sum[SUMS], a = vdupq_n_f32(1), b = a;
  EACH_SUM sum[s] = vdupq_n_f32(0);
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] = vfmaq_f32(sum[s], a, b);
      KEEP(sum[s]);
    }
#else
  float sum[SUMS] = {};
  for (int64_t i = 0; i < rounds; i++) EACH_SUM {
      sum[s] += 1.5f;
      asm volatile("" : "+m"(sum[s]));
    }
#endif
}

}  // namespace

extern const Peak FOVEA_JOIN(peak, FOVEA_TIER);
const Peak FOVEA_JOIN(peak, FOVEA_TIER) = {int8, SUMS *INT8, bf16, SUMS *BF16};

}  // namespace fovea
