/*
 * The C ABI of the CUDA backend. Arguments are the structs of fovea.h with device addresses in them; Java owns context,
 * memory, streams and graphs (through JCuda), native code owns the kernels: which there are, what they take, how they are
 * launched.
 *
 * Two libraries offer it: libfovea_cuda, which launches on libcuda.so.1, and libfovea_cuda_emulated, which runs the same
 * kernels and launchers on the processor (native/emulator) and offers fovea_emulator_* beside it.
 *
 * Every call is made on a thread whose current CUDA context is the device's. Nothing here waits for the device.
 */
#ifndef FOVEA_CUDA_H
#define FOVEA_CUDA_H

#include "fovea/fovea.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fovea_cuda fovea_cuda;

typedef struct fovea_cuda_kernel {
  const char *op;        /* "linear" */
  const char *signature; /* "f32,q4_0,f32->f32"; an absent optional input: "_" */
  const char *variant;   /* the idea: "dp4a", "mma16" */
  int32_t capability;    /* lowest compute capability, 80 for 8.0 */
  int32_t args_bytes;    /* sizeof the argument struct */
} fovea_cuda_kernel;

typedef struct fovea_cuda_step {
  int64_t kernel; /* index in the kernel table */
  const void *args;
} fovea_cuda_step;

/* Device code as built: a fatbin. */
typedef struct fovea_cuda_module {
  const char *name; /* "rms_norm", one of fovea_cuda_module_at */
  const void *image;
  int64_t bytes;
} fovea_cuda_module;

/* Names of the modules that fovea_cuda_open wants, one per kernels/cuda/<name>.cu. */
int32_t fovea_cuda_module_count(void);
const char *fovea_cuda_module_at(int32_t index);

/* The kernel table; for one op and signature, plainest first, best last. Strings live as long as the library. */
int32_t fovea_cuda_kernel_count(void);
int32_t fovea_cuda_kernel_at(int32_t index, fovea_cuda_kernel *out);

/*
 * Loads the modules into the current context. error: a device address of one int32, zero at first, in which a kernel
 * that meets a bad token id, row, position or page leaves (step << 8 | status); it then writes nothing out of bounds and
 * goes on. On failure returns the status and a line about it in message.
 */
int32_t fovea_cuda_open(const fovea_cuda_module *modules, int32_t count, void *error,
                        fovea_cuda **out, char *message, int32_t message_bytes);
void fovea_cuda_close(fovea_cuda *cuda);

/*
 * Whether launches from now on may start while the one before still runs (programmatic dependent launch). At first they do
 * where the device can; results do not depend on it.
 */
void fovea_cuda_overlap(fovea_cuda *cuda, int32_t allowed);

/*
 * y = x * w^T of another library, enqueued on a stream: x [rows,width], its rows x_step elements apart, and w [outs,width] are
 * of one dtype (f32, f16 or bf16), y [rows,outs] is f32, and so are the sums. 0, or what that library says went wrong.
 */
typedef int32_t (*fovea_cuda_gemm)(int32_t dtype, int32_t rows, int32_t outs, int32_t width,
                                   const void *x, int32_t x_step, const void *w, float *y,
                                   void *stream);
/* Lets the kernels called "cublas" run; without it (or with NULL) they take nothing. It must not throw. */
void fovea_cuda_offer_gemm(fovea_cuda *cuda, fovea_cuda_gemm gemm);

/* Why this kernel cannot take these arguments on this device (dims and types are looked at, data is not); NULL: it can. */
const char *fovea_cuda_rejects(const fovea_cuda *cuda, int32_t index, const void *args);

/* Bytes of device scratch memory the kernel needs for these arguments; 256-byte aligned. */
int64_t fovea_cuda_scratch_bytes(const fovea_cuda *cuda, int32_t index, const void *args);

/*
 * Enqueues the steps in order on a stream (a CUstream), which may be capturing. scratch is zero when first handed over and
 * whatever kernels left in it later. On failure returns the status and writes the index of the step to *failed and a line
 * about it to message.
 */
int32_t fovea_cuda_enqueue(fovea_cuda *cuda, const fovea_cuda_step *steps, int32_t count,
                           void *scratch, int64_t scratch_bytes, void *stream, int32_t *failed,
                           char *message, int32_t message_bytes);

/*
 * The same with fewer launches, from 9.0 on: steps one after the other that a persistent kernel can do become one launch, which
 * takes from a table what its phases are. Results have the same bits. The table of steps is made once, in host memory (null:
 * *table_bytes says how large it is; 0: none of the steps can be put together), from the same arguments and scratch memory as
 * it is used with, and copied to the device, 256-byte aligned, before the steps are first enqueued with it. It goes with one
 * stream at a time.
 */
const char *fovea_cuda_rejects_persistent(const fovea_cuda *cuda); /* why not; NULL: it can */
int32_t fovea_cuda_table(fovea_cuda *cuda, const fovea_cuda_step *steps, int32_t count,
                         void *scratch, int64_t scratch_bytes, void *table, int64_t *table_bytes,
                         char *message, int32_t message_bytes);
int32_t fovea_cuda_enqueue_persistent(fovea_cuda *cuda, const fovea_cuda_step *steps, int32_t count,
                                      void *scratch, int64_t scratch_bytes, const void *table,
                                      void *stream, int32_t *failed, char *message,
                                      int32_t message_bytes);

/*
 * How a quantized tensor lies on the device, a weight [O,I] or a state: all rows' quants, then all rows' scales, so that both can be
 * read in aligned pieces. Zeros are zeros in either order. The size is that of the blocks in the file. Writes rows [from, to) of the whole tensor at `device_layout`
 * (host memory of the full size, or a staging piece: see the two offsets) from blocks as stored.
 *
 *   quants: row o, block b at (o * I/32 + b) * 16 (q4_0; 32 for q8_0), bytes as in fovea_q4_0.q / fovea_q8_0.q
 *   scales: row o, block b at O * I/32 * 16 (or 32) + (o * I/32 + b) * 2, binary16
 *   q4_g128: quants as of q4_0; scales: row o, group g at O * I/32 * 16 + (o * I/128 + g) * 4, the binary16, then the zero point
 *
 * blocks: `count` blocks as stored; quants: where their quants go; scales: where their scales go.
 */
int32_t fovea_cuda_split_blocks(int32_t dtype, const void *blocks, int64_t count, void *quants,
                                void *scales);
/* And back, so that a device's weights can be read as they were given. */
int32_t fovea_cuda_join_blocks(int32_t dtype, const void *quants, const void *scales, int64_t count,
                               void *blocks);

/* ---- libfovea_cuda_emulated only ---- */

/*
 * A device in host memory. seed: the order in which threads run between barriers. Allocations have bounds that kernels are
 * held to; a broken rule (out of bounds, shared memory read before written, a race between threads of a block, a barrier
 * that not all reach) makes fovea_emulator_synchronize return FOVEA_E_ARGUMENT with a line that names kernel, block, thread
 * and source line.
 */
int32_t fovea_emulator_open(uint64_t seed, int32_t capability, int32_t multiprocessors);
void fovea_emulator_close(void);
void *fovea_emulator_allocate(
    int64_t bytes); /* 256-byte aligned, contents undefined; NULL: no memory */
int32_t fovea_emulator_free(void *memory);
int32_t fovea_emulator_copy(void *to, const void *from, int64_t bytes); /* any direction */
int32_t fovea_emulator_fill(void *to, int32_t byte, int64_t bytes);
/* Launches on a capturing stream are recorded in place of run; a graph replays them. */
int32_t fovea_emulator_begin_capture(void *stream);
int32_t fovea_emulator_end_capture(void *stream, void **graph);
int32_t fovea_emulator_launch_graph(void *graph, void *stream);
void fovea_emulator_free_graph(void *graph);
int32_t fovea_emulator_synchronize(char *message, int32_t message_bytes);
/* A fovea_cuda_gemm of plain loops. */
int32_t fovea_emulator_gemm(int32_t dtype, int32_t rows, int32_t outs, int32_t width, const void *x,
                            int32_t x_step, const void *w, float *y, void *stream);
/*
 * To see that a barrier of the grid is missed: from now on the one with this number in a cooperative launch, from 0, orders
 * nothing (blocks still wait there). Negative: all do.
 */
void fovea_emulator_ignore_barrier(int32_t number);
/* Live allocations and their bytes, for tests that count. */
int64_t fovea_emulator_live(int64_t *bytes);
/* Kernel launches since the device was opened. */
int64_t fovea_emulator_launches(void);

#ifdef __cplusplus
}
#endif
#endif
