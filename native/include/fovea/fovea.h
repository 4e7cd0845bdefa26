/*
 * The C ABI between the Java engine and native code: plain C99, no ownership across it but what is said here.
 *
 * One call is one op: an argument struct that holds the op's tensors (inputs in the op's order, then outputs) and then
 * its attributes, each eight bytes wide. The Java side writes these structs from the op's declaration, so a new op needs
 * a struct here, a kernel, and a line in the kernel table: nothing in Java but the op itself.
 *
 * Letters for axes are those of docs/axes.md. All tensors are row-major without gaps. Native code never prints, exits or
 * allocates per call.
 */
#ifndef FOVEA_FOVEA_H
#define FOVEA_FOVEA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOVEA_ABI_VERSION 1

/* Element types; the codes of dev.fovea.tensor.DType. */
enum fovea_dtype {
  FOVEA_F32 = 0,
  FOVEA_F16 = 1,
  FOVEA_BF16 = 2,
  FOVEA_Q8_0 = 3,
  FOVEA_Q4_0 = 4,
  FOVEA_I32 = 5,
  FOVEA_U8 = 6,
  FOVEA_Q4_G128 = 7
};

enum fovea_status {
  FOVEA_OK = 0,
  FOVEA_E_ARGUMENT = 1,    /* a struct or number that makes no sense */
  FOVEA_E_RANGE = 2,       /* data out of range: a token id, row, position or page */
  FOVEA_E_UNSUPPORTED = 3, /* this machine or build cannot */
  FOVEA_E_MEMORY = 4,
  FOVEA_E_NUMBER = 5 /* a logit that is not a number */
};

/* A tensor argument. data == NULL: an optional tensor that is absent. */
typedef struct fovea_tensor {
  void *data;
  const int32_t *live; /* how many rows of dim[0] count in this run, 0..dim[0]; NULL: all of them */
  int32_t dtype;
  int32_t rank;
  int32_t dim[4]; /* slowest first; unused: 1 */
} fovea_tensor;

/* ---- argument structs, one per op (see the Java file of the same name for the definition) ---- */

/*
 * resize: pixels [C=3,Y,X] f32, picture [I] u8, geometry [6] i32 (width, height, turned, padding's red, green, blue), across [X,4], down
 * [Y,4] i32 (first, count, where its weights are, the sum of its weights for padding), weights [I] i32 with 22 bits of fraction, levels
 * [C=3,256] f32 -> y, pixels' memory: the picture resampled across, then down, each result rounded to 8 bits, and looked up in levels.
 * turned: y is [C,X,Y]. A picture larger than its tensor, or a span outside of the picture or the weights, is FOVEA_E_RANGE.
 */
typedef struct fovea_resize_args {
  fovea_tensor pixels, picture, geometry, across, down, weights, levels, y;
} fovea_resize_args;

/* patchify: pixels [C,Y,X] f32 -> y [P,I] f32, I = C*patch*patch in the order (c, dy, dx), patches row-major */
typedef struct fovea_patchify_args {
  fovea_tensor pixels, y;
  int64_t patch;
} fovea_patchify_args;

/* concat_rows: a [*,E], b [*,E] -> y [a+b rows,E]: a's rows, then b's */
typedef struct fovea_concat_rows_args {
  fovea_tensor a, b, y;
} fovea_concat_rows_args;

/* add: a, b same sizes -> y; y may share memory with a or b */
typedef struct fovea_add_args {
  fovea_tensor a, b, y;
} fovea_add_args;

/* layer_norm: x [*,E], g [E], b [E] f32 -> y = (x - mean) / sqrt(var + eps) * g + b */
typedef struct fovea_layer_norm_args {
  fovea_tensor x, g, b, y;
  double eps;
} fovea_layer_norm_args;

/* rms_norm: x [*,D], g [D] f32 -> y = x / sqrt(mean(x^2) + eps) * g */
typedef struct fovea_rms_norm_args {
  fovea_tensor x, g, y;
  double eps;
} fovea_rms_norm_args;

/* linear: x [T,I] f32, w [O,I] any type, b [O] f32 optional -> y [T,O] = x w^T + b */
typedef struct fovea_linear_args {
  fovea_tensor x, w, b, y;
} fovea_linear_args;

/* linear_add: y = r + linear(x, w, b); y may share memory with r */
typedef struct fovea_linear_add_args {
  fovea_tensor x, w, b, r, y;
} fovea_linear_add_args;

/* linear_quick_gelu: y = q(linear(x, w, b)), q(v) = v * sigmoid(1.702 v) */
typedef struct fovea_linear_quick_gelu_args {
  fovea_tensor x, w, b, y;
} fovea_linear_quick_gelu_args;

/* linear_gelu: y = g(linear(x, w, b)), g(v) = v/2 * (1 + erf(v / sqrt 2)) */
typedef struct fovea_linear_gelu_args {
  fovea_tensor x, w, b, y;
} fovea_linear_gelu_args;

/* swiglu: x [T,D], gate [F,D], up [F,D] -> y [T,F] = silu(x gate^T) * (x up^T) */
typedef struct fovea_swiglu_args {
  fovea_tensor x, gate, up, y;
} fovea_swiglu_args;

/* norm_swiglu: y = swiglu(rms_norm(x, g), gate, up) */
typedef struct fovea_norm_swiglu_args {
  fovea_tensor x, g, gate, up, y;
  double eps;
} fovea_norm_swiglu_args;

/*
 * norm_qkv: n = rms_norm(x, g); x [T,D], wq [H*Dh,D], wk, wv [Hk*Dh,D] of one type -> y [T,H,Dh] = rope(n wq^T), and into the caches
 * k, v [Pg,Hk,Ps,Dh] f32|f16 as kv_append: rope(n wk^T), n wv^T. Attributes as rms_norm's and rope's
 */
typedef struct fovea_norm_qkv_args {
  fovea_tensor x, g, wq, wk, wv, k, v, pos, seq, pages, y;
  double eps, theta, scale;
  int64_t neighbours;
} fovea_norm_qkv_args;

/* quick_gelu, gelu: elementwise; y may share memory with x */
typedef struct fovea_quick_gelu_args {
  fovea_tensor x, y;
} fovea_quick_gelu_args;
typedef struct fovea_gelu_args {
  fovea_tensor x, y;
} fovea_gelu_args;

/* silu_mul: y = g * sigmoid(g) * u; y may share memory with g or u */
typedef struct fovea_silu_mul_args {
  fovea_tensor g, u, y;
} fovea_silu_mul_args;

/*
 * rope: x [T,H,Dh] f32, pos [T] i32 -> y; pair (i, i+Dh/2), or (2i, 2i+1) if neighbours is not 0, turned by
 * pos*scale / theta^(2i/Dh); y may share memory with x
 */
typedef struct fovea_rope_args {
  fovea_tensor x, pos, y;
  double theta, scale;
  int64_t neighbours;
} fovea_rope_args;

/*
 * kv_append: cache [Pg,Hk,Ps,Dh] f32|f16, x [T,Hk,Dh] f32, pos [T], seq [T], pages [B,Mp] i32 -> y = cache with row t
 * written at page pages[seq[t], pos[t]/Ps], position pos[t]%Ps. y is the cache's memory. A page outside [0,Pg), a
 * sequence outside [0,B) or a position outside the page table is FOVEA_E_RANGE.
 */
typedef struct fovea_kv_append_args {
  fovea_tensor cache, x, pos, seq, pages, y;
} fovea_kv_append_args;

/*
 * paged_attention: q [T,H,Dh] f32, k, v [Pg,Hk,Ps,Dh] f32|f16, pos [T], seq [T], pages [B,Mp] -> y [T,H,Dh]: row t attends to
 * positions 0..pos[t] of sequence seq[t]; query head h reads key head h / (H/Hk).
 */
typedef struct fovea_paged_attention_args {
  fovea_tensor q, k, v, pos, seq, pages, y;
  double scale;
} fovea_paged_attention_args;

/* attention: q, k, v [N,H,Dh] f32 -> y [N,H,Dh]: every row attends to every row */
typedef struct fovea_attention_args {
  fovea_tensor q, k, v, y;
  double scale;
} fovea_attention_args;

/* embed: ids [T] i32, table [V,D] any type, image [M,D] f32 optional -> y [T,D] f32: id >= 0: table row id; id < 0: image row -id-1 */
typedef struct fovea_embed_args {
  fovea_tensor ids, table, image, y;
} fovea_embed_args;

/* take_rows: x [T,D] f32, rows [R] i32 -> y [R,D] */
typedef struct fovea_take_rows_args {
  fovea_tensor x, rows, y;
} fovea_take_rows_args;

/* token_at: tokens [B,Mt], seq [T], pos [T] i32 -> y [T] i32 = tokens[seq, pos] */
typedef struct fovea_token_at_args {
  fovea_tensor tokens, seq, pos, y;
} fovea_token_at_args;

/*
 * sample: logits [R,V] f32, tokens [B,Mt], seq [R], pos [R] i32, control [R,5] f32 (temperature, top-k, top-p, min-p, penalty),
 * seed [R,2] i32 (low word, high word) -> y [R] i32, an id below vocabulary, -1 where pos is negative. Sample.java says how; weights of temperature > 0
 * may be computed in any precision.
 */
typedef struct fovea_sample_args {
  fovea_tensor logits, tokens, seq, pos, control, seed, y;
  int64_t vocabulary;
} fovea_sample_args;

/*
 * put_token: tokens [B,Mt], ids [T], seq [T], pos [T] i32 -> y = tokens with ids[t] at [seq[t], pos[t] + 1] where pos[t] >= 0; y is
 * tokens' memory
 */
typedef struct fovea_put_token_args {
  fovea_tensor tokens, ids, seq, pos, y;
} fovea_put_token_args;

/* advance: pos [T] i32 -> y = pos + 1; y is pos's memory */
typedef struct fovea_advance_args {
  fovea_tensor pos, y;
} fovea_advance_args;

/* ---- the cpu backend ---- */

/* Instruction-set tiers, each including the scalar one and those before it of its architecture. */
enum fovea_cpu_tier {
  FOVEA_CPU_SCALAR = 0,
  FOVEA_CPU_AVX2 = 1,         /* AVX2, FMA, F16C */
  FOVEA_CPU_AVX512 = 2,       /* AVX-512 F, BW, VL, DQ, VNNI */
  FOVEA_CPU_AVX512_BF16 = 3,  /* the same and BF16 dot products */
  FOVEA_CPU_NEON = 4,         /* aarch64: Advanced SIMD of ARMv8.0 */
  FOVEA_CPU_NEON_DOTPROD = 5, /* the same and dot products of bytes */
  FOVEA_CPU_NEON_I8MM = 6     /* the same, matrix products of bytes and BF16 dot products */
};

typedef struct fovea_cpu fovea_cpu;

typedef struct fovea_cpu_kernel {
  const char *op; /* "linear" */
  const char
      *signature; /* input and output types: "f32,q4_0,f32->f32"; an absent optional input: "_" */
  const char *variant; /* "avx512_vnni" */
  int32_t tier;        /* of enum fovea_cpu_tier */
  int32_t args_bytes;  /* sizeof the argument struct */
} fovea_cpu_kernel;

typedef struct fovea_cpu_step {
  int64_t kernel; /* index in the kernel table */
  const void *args;
} fovea_cpu_step;

int32_t fovea_abi_version(void);

/* The highest tier this machine runs. */
int32_t fovea_cpu_best_tier(void);

/* The kernel table; for one op and signature, plainest first, best last. Strings live as long as the library. */
int32_t fovea_cpu_kernel_count(void);
int32_t fovea_cpu_kernel_at(int32_t index, fovea_cpu_kernel *out);

/* Why this kernel cannot take these arguments (dims and types are looked at, data is not); NULL: it can. */
const char *fovea_cpu_rejects(int32_t index, const void *args);

/* Bytes of scratch memory the kernel needs for these arguments on a context of that many threads; 64-byte aligned. */
int64_t fovea_cpu_scratch_bytes(int32_t index, const void *args, int32_t threads);

/* threads: 1..256, the caller's thread being one of them. Owned by the caller until fovea_cpu_close. */
int32_t fovea_cpu_open(int32_t threads, fovea_cpu **out);
void fovea_cpu_close(fovea_cpu *cpu);

/*
 * Zeroed memory, aligned to a page at least, that takes no physical memory before it is first written: a key-value cache
 * is as large as the longest conversations, and most are short. NULL: there is none. Given back by fovea_cpu_free.
 */
void *fovea_cpu_allocate(int64_t bytes);
void fovea_cpu_free(void *memory, int64_t bytes);

/*
 * Runs the steps in order on the calling thread and the context's workers. One run at a time per context. On failure
 * returns the status and writes the index of the step to *failed.
 */
int32_t fovea_cpu_run(fovea_cpu *cpu, const fovea_cpu_step *steps, int32_t count, void *scratch,
                      int64_t scratch_bytes, int32_t *failed);

/* Reads [data, data+bytes) on all threads and returns a checksum: the machine's read-bandwidth ceiling when timed. */
uint64_t fovea_cpu_read(fovea_cpu *cpu, const void *data, int64_t bytes);

/*
 * Multiplies and adds on registers, `rounds` rounds on every thread, with the best instruction of a tier for a type:
 * FOVEA_Q8_0 for 8-bit whole numbers, FOVEA_BF16. Returns the operations done (a multiply-add is two): the machine's
 * arithmetic ceiling when timed. 0 if the tier is not this machine's, or the type another.
 */
int64_t fovea_cpu_peak(fovea_cpu *cpu, int32_t tier, int32_t dtype, int64_t rounds);

#ifdef __cplusplus
}
#endif
#endif
