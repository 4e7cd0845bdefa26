/* The ABI compiled and called as C99: a small program, and arguments that make no sense. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fovea/fovea.h"

static int failures = 0;

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      failures++;                                                          \
    }                                                                      \
  } while (0)

static fovea_tensor tensor(void *data, int32_t dtype, int32_t rows, int32_t columns) {
  fovea_tensor t;
  memset(&t, 0, sizeof t);
  t.data = data;
  t.dtype = dtype;
  t.rank = columns ? 2 : 1;
  t.dim[0] = rows;
  t.dim[1] = columns ? columns : 1;
  t.dim[2] = t.dim[3] = 1;
  return t;
}

static int32_t find(const char *op, const char *signature, int32_t tier) {
  int32_t i;
  for (i = 0; i < fovea_cpu_kernel_count(); i++) {
    fovea_cpu_kernel k;
    CHECK(fovea_cpu_kernel_at(i, &k) == FOVEA_OK);
    if (!strcmp(k.op, op) && !strcmp(k.signature, signature) && k.tier == tier) return i;
  }
  return -1;
}

/* Whether the library has kernels of that tier: the codes of all architectures are one row of numbers. */
static int exists(int32_t tier) { return find("linear", "f32,f32,_->f32", tier) >= 0; }

/* A tier's name: its kernels' variant. */
static const char *name(int32_t tier) {
  fovea_cpu_kernel k;
  CHECK(fovea_cpu_kernel_at(find("linear", "f32,f32,_->f32", tier), &k) == FOVEA_OK);
  return k.variant;
}

/* An argument is the name of the tier that this machine must turn out to have as its best. */
int main(int argc, char **argv) {
  enum { ROWS = 3, WIDTH = 37, OUTS = 41 };
  static float x[ROWS * WIDTH], w[OUTS * WIDTH], y[ROWS * OUTS + 2], z[ROWS * OUTS];
  int32_t threads, tier, t, o, i;
  for (i = 0; i < ROWS * WIDTH; i++) x[i] = (float)((i * 37) % 23 - 11) / 8;
  for (i = 0; i < OUTS * WIDTH; i++) w[i] = (float)((i * 29) % 31 - 15) / 16;

  CHECK(fovea_abi_version() == FOVEA_ABI_VERSION);
  CHECK(exists(FOVEA_CPU_SCALAR) && exists(fovea_cpu_best_tier()));
  printf("best tier: %s\n", name(fovea_cpu_best_tier()));
  CHECK(argc < 2 || !strcmp(name(fovea_cpu_best_tier()), argv[1]));
  CHECK(fovea_cpu_kernel_count() > 50);
  CHECK(fovea_cpu_kernel_at(-1, NULL) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cpu_kernel_at(fovea_cpu_kernel_count(), NULL) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cpu_rejects(-1, NULL) != NULL);

  for (threads = 1; threads <= 3; threads++) {
    fovea_cpu *cpu = NULL;
    CHECK(fovea_cpu_open(threads, &cpu) == FOVEA_OK);
    for (tier = 0; tier <= fovea_cpu_best_tier(); tier++) {
      int32_t live = 2, failed = -1;
      int64_t scratch_bytes;
      void *scratch;
      fovea_linear_args args;
      fovea_cpu_step step;
      if (!exists(tier)) continue;
      memset(&args, 0, sizeof args);
      args.x = tensor(x, FOVEA_F32, ROWS, WIDTH);
      args.w = tensor(w, FOVEA_F32, OUTS, WIDTH);
      args.y = tensor(y + 1, FOVEA_F32, ROWS, OUTS);
      args.x.live = args.y.live = &live;
      step.kernel = find("linear", "f32,f32,_->f32", tier);
      step.args = &args;
      CHECK(fovea_cpu_rejects((int32_t)step.kernel, &args) == NULL);
      scratch_bytes = fovea_cpu_scratch_bytes((int32_t)step.kernel, &args, threads);
      scratch = malloc((size_t)scratch_bytes + 64);
      for (i = 0; i < ROWS * OUTS + 2; i++) y[i] = 777;
      CHECK(fovea_cpu_run(cpu, &step, 1, scratch, scratch_bytes, &failed) == FOVEA_OK);
      for (t = 0; t < ROWS; t++) {
        for (o = 0; o < OUTS; o++) {
          double sum = 0;
          for (i = 0; i < WIDTH; i++) sum += (double)x[t * WIDTH + i] * w[o * WIDTH + i];
          z[t * OUTS + o] = t < live ? (float)sum : 777;
          CHECK(fabs(y[1 + t * OUTS + o] - z[t * OUTS + o]) < 1e-4);
        }
      }
      CHECK(y[0] == 777 && y[ROWS * OUTS + 1] == 777);

      live = ROWS + 1; /* more rows than there are */
      CHECK(fovea_cpu_run(cpu, &step, 1, scratch, scratch_bytes, &failed) == FOVEA_E_RANGE);
      CHECK(failed == 0);
      live = ROWS;
      step.kernel = fovea_cpu_kernel_count();
      CHECK(fovea_cpu_run(cpu, &step, 1, scratch, scratch_bytes, &failed) == FOVEA_E_ARGUMENT);
      args.w.dim[1] = WIDTH + 1;
      CHECK(fovea_cpu_rejects(find("linear", "f32,f32,_->f32", tier), &args) != NULL);
      free(scratch);
    }
    CHECK(fovea_cpu_run(cpu, NULL, 1, NULL, 0, NULL) == FOVEA_E_ARGUMENT);
    CHECK(fovea_cpu_run(cpu, NULL, 0, NULL, 0, NULL) == FOVEA_OK);
    CHECK(fovea_cpu_read(cpu, x, sizeof x) != 0);
    for (tier = 0; tier <= fovea_cpu_best_tier(); tier++) {
      CHECK((fovea_cpu_peak(cpu, tier, FOVEA_Q8_0, 10) > 0) == exists(tier));
      CHECK((fovea_cpu_peak(cpu, tier, FOVEA_BF16, 10) > 0) == exists(tier));
    }
    CHECK(fovea_cpu_peak(cpu, fovea_cpu_best_tier() + 1, FOVEA_BF16, 10) == 0);
    CHECK(fovea_cpu_peak(cpu, 0, FOVEA_F32, 10) == 0);
    CHECK(fovea_cpu_peak(cpu, 0, FOVEA_BF16, 0) == 0);
    CHECK(fovea_cpu_peak(NULL, 0, FOVEA_BF16, 10) == 0);
    fovea_cpu_close(cpu);
  }
  {
    fovea_cpu *cpu = NULL;
    CHECK(fovea_cpu_open(0, &cpu) == FOVEA_E_ARGUMENT);
    CHECK(fovea_cpu_open(257, &cpu) == FOVEA_E_ARGUMENT);
    CHECK(fovea_cpu_open(1, NULL) == FOVEA_E_ARGUMENT);
  }
  printf("%s\n", failures ? "FAILED" : "passed");
  return failures != 0;
}
