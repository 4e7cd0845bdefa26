/*
 * The ABI of the CUDA backend compiled and called as C99. Linked with libfovea_cuda it sees what can be seen without a
 * device; with libfovea_cuda_emulated (FOVEA_TEST_EMULATED) it runs steps, eagerly and captured, and arguments that make no
 * sense.
 */

#include <stdio.h>
#include <string.h>

#include "fovea/cuda.h"

static int failures = 0;

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      failures++;                                                          \
    }                                                                      \
  } while (0)

static void check_table(void) {
  int32_t i, j;
  fovea_cuda_kernel k;
  CHECK(fovea_abi_version() == FOVEA_ABI_VERSION);
  CHECK(fovea_cuda_kernel_count() > 20);
  CHECK(fovea_cuda_kernel_at(-1, &k) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_kernel_at(fovea_cuda_kernel_count(), &k) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_kernel_at(0, NULL) == FOVEA_E_ARGUMENT);
  for (i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel other;
    CHECK(fovea_cuda_kernel_at(i, &k) == FOVEA_OK);
    CHECK(k.capability >= 80 && strstr(k.signature, "->"));
    for (j = 0; j < i; j++) {
      CHECK(fovea_cuda_kernel_at(j, &other) == FOVEA_OK);
      CHECK(strcmp(k.op, other.op) || strcmp(k.signature, other.signature) ||
            strcmp(k.variant, other.variant));
    }
  }
  for (i = 0; i < fovea_cuda_module_count(); i++) CHECK(strlen(fovea_cuda_module_at(i)) > 0);
  CHECK(fovea_cuda_module_at(-1) == NULL);
  CHECK(fovea_cuda_module_at(fovea_cuda_module_count()) == NULL);
}

static void check_blocks(void) {
  enum { COUNT = 5 };
  uint8_t blocks[COUNT * 68], quants[COUNT * 64], scales[COUNT * 4], again[COUNT * 68];
  const int32_t types[] = {FOVEA_Q4_0, FOVEA_Q8_0, FOVEA_Q4_G128}, sizes[] = {16, 32, 64};
  int32_t i, t;
  for (i = 0; i < (int32_t)sizeof blocks; i++) blocks[i] = (uint8_t)(i * 37 + 11);
  for (t = 0; t < 3; t++) {
    int32_t size = sizes[t], head = t == 2 ? 4 : 2;
    memset(again, 0, sizeof again);
    CHECK(fovea_cuda_split_blocks(types[t], blocks, COUNT, quants, scales) == FOVEA_OK);
    for (i = 0; i < COUNT; i++) {
      CHECK(memcmp(scales + head * i, blocks + i * (size + head), (size_t)head) == 0);
      CHECK(memcmp(quants + size * i, blocks + i * (size + head) + head, (size_t)size) == 0);
    }
    CHECK(fovea_cuda_join_blocks(types[t], quants, scales, COUNT, again) == FOVEA_OK);
    CHECK(memcmp(blocks, again, (size_t)(COUNT * (size + head))) == 0);
  }
  CHECK(fovea_cuda_split_blocks(FOVEA_F16, blocks, COUNT, quants, scales) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_split_blocks(FOVEA_Q4_0, blocks, -1, quants, scales) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_join_blocks(FOVEA_Q4_0, quants, NULL, COUNT, again) == FOVEA_E_ARGUMENT);
}

#if defined(FOVEA_TEST_EMULATED)

enum { ROWS = 3, WIDTH = 37 };

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

static int32_t find(const char *op, const char *signature) {
  int32_t i, best = -1;
  for (i = 0; i < fovea_cuda_kernel_count(); i++) {
    fovea_cuda_kernel k;
    CHECK(fovea_cuda_kernel_at(i, &k) == FOVEA_OK);
    if (!strcmp(k.op, op) && !strcmp(k.signature, signature)) best = i;
  }
  CHECK(best >= 0);
  return best;
}

static void *upload(const void *data, int64_t bytes) {
  void *memory = fovea_emulator_allocate(bytes);
  CHECK(memory != NULL);
  CHECK(fovea_emulator_copy(memory, data, bytes) == FOVEA_OK);
  return memory;
}

static void check_device(void) {
  static float x[ROWS * WIDTH], g[WIDTH], y[ROWS * WIDTH], z[ROWS * WIDTH];
  const int32_t rows[2] = {2, 0}, bad[2] = {1, ROWS}, zero = 0;
  int32_t failed = -1, code = -1, live = ROWS - 1, i;
  char message[300] = "";
  void *error, *scratch = NULL, *graph = NULL, *stream = &failed;
  fovea_cuda *cuda = NULL;
  fovea_rms_norm_args norm;
  fovea_take_rows_args take;
  fovea_cuda_step steps[2];
  int64_t bytes, launches;

  CHECK(fovea_emulator_open(1, 90, 4) == FOVEA_OK);
  error = upload(&zero, 4);
  CHECK(fovea_cuda_open(NULL, 0, NULL, &cuda, message, sizeof message) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_open(NULL, 1, error, &cuda, message, sizeof message) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_open(NULL, 0, error, NULL, NULL, 0) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_open(NULL, 0, error, &cuda, message, sizeof message) == FOVEA_OK);

  for (i = 0; i < ROWS * WIDTH; i++) x[i] = (float)((i * 37) % 23 - 11) / 8;
  for (i = 0; i < WIDTH; i++) g[i] = (float)((i * 29) % 31 - 15) / 16;
  for (i = 0; i < ROWS * WIDTH; i++) y[i] = 777;
  memset(&norm, 0, sizeof norm);
  norm.x = tensor(upload(x, sizeof x), FOVEA_F32, ROWS, WIDTH);
  norm.g = tensor(upload(g, sizeof g), FOVEA_F32, WIDTH, 0);
  norm.y = tensor(upload(y, sizeof y), FOVEA_F32, ROWS, WIDTH);
  norm.x.live = norm.y.live = upload(&live, 4);
  norm.eps = 1e-5;
  memset(&take, 0, sizeof take);
  take.x = norm.y;
  take.rows = tensor(upload(rows, sizeof rows), FOVEA_I32, 2, 0);
  take.y = tensor(fovea_emulator_allocate(2 * WIDTH * 4), FOVEA_F32, 2, WIDTH);
  steps[0].kernel = find("rms_norm", "f32,f32->f32");
  steps[0].args = &norm;
  steps[1].kernel = find("take_rows", "f32,i32->f32");
  steps[1].args = &take;
  bytes = fovea_cuda_scratch_bytes(cuda, (int32_t)steps[0].kernel, &norm);
  CHECK(bytes == 0);
  CHECK(fovea_cuda_rejects(cuda, (int32_t)steps[0].kernel, &norm) == NULL);
  CHECK(fovea_cuda_rejects(cuda, -1, &norm) != NULL);
  CHECK(fovea_cuda_rejects(NULL, 0, &norm) != NULL);

  /* Eagerly: the dead row stays, and row 2 of 2 live ones cannot be taken. */
  CHECK(fovea_cuda_enqueue(cuda, steps, 2, scratch, 0, NULL, &failed, message, sizeof message) ==
        FOVEA_OK);
  CHECK(fovea_emulator_synchronize(message, sizeof message) == FOVEA_OK);
  fovea_emulator_copy(y, norm.y.data, sizeof y);
  for (i = 0; i < WIDTH; i++) CHECK(y[(ROWS - 1) * WIDTH + i] == 777 && y[i] != 777);
  fovea_emulator_copy(&code, error, 4);
  CHECK(code == (1 << 8 | FOVEA_E_RANGE));
  fovea_emulator_fill(error, 0, 4);

  /* Captured: the same bits, for whatever count and rows lie in memory by then. */
  CHECK(fovea_emulator_begin_capture(stream) == FOVEA_OK);
  CHECK(fovea_cuda_enqueue(cuda, steps, 2, scratch, 0, stream, &failed, message, sizeof message) ==
        FOVEA_OK);
  CHECK(fovea_emulator_end_capture(stream, &graph) == FOVEA_OK);
  live = ROWS;
  fovea_emulator_copy((void *)norm.x.live, &live, 4);
  launches = fovea_emulator_launches();
  CHECK(fovea_emulator_launch_graph(graph, stream) == FOVEA_OK);
  CHECK(fovea_emulator_synchronize(message, sizeof message) == FOVEA_OK);
  CHECK(fovea_emulator_launches() == launches + 2);
  fovea_emulator_copy(&code, error, 4);
  CHECK(code == 0);
  fovea_emulator_copy(z, norm.y.data, sizeof z);
  CHECK(memcmp(y, z, (ROWS - 1) * WIDTH * 4) == 0);
  CHECK(z[(ROWS - 1) * WIDTH] != 777);
  fovea_emulator_copy(y, take.y.data, 2 * WIDTH * 4);
  CHECK(memcmp(y, z + 2 * WIDTH, WIDTH * 4) == 0 && memcmp(y + WIDTH, z, WIDTH * 4) == 0);
  fovea_emulator_copy(take.rows.data, bad, sizeof bad);
  CHECK(fovea_emulator_launch_graph(graph, stream) == FOVEA_OK);
  CHECK(fovea_emulator_synchronize(message, sizeof message) == FOVEA_OK);
  fovea_emulator_copy(&code, error, 4);
  CHECK(code == (1 << 8 | FOVEA_E_RANGE));
  fovea_emulator_fill(error, 0, 4);
  fovea_emulator_free_graph(graph);

  /* A live count past the rows is cut to them, and told. */
  live = ROWS + 1;
  fovea_emulator_copy((void *)norm.x.live, &live, 4);
  CHECK(fovea_cuda_enqueue(cuda, steps, 1, scratch, 0, NULL, &failed, message, sizeof message) ==
        FOVEA_OK);
  CHECK(fovea_emulator_synchronize(message, sizeof message) == FOVEA_OK);
  fovea_emulator_copy(&code, error, 4);
  CHECK(code == FOVEA_E_RANGE);

  /* Steps that make no sense name their place. */
  steps[1].kernel = fovea_cuda_kernel_count();
  CHECK(fovea_cuda_enqueue(cuda, steps, 2, scratch, 0, NULL, &failed, message, sizeof message) ==
        FOVEA_E_ARGUMENT);
  CHECK(failed == 1 && strstr(message, "step 1") != NULL);
  CHECK(fovea_cuda_enqueue(cuda, NULL, 1, scratch, 0, NULL, NULL, NULL, 0) == FOVEA_E_ARGUMENT);
  CHECK(fovea_cuda_enqueue(cuda, NULL, 0, scratch, 0, NULL, NULL, NULL, 0) == FOVEA_OK);
  norm.g.dim[0] = WIDTH + 1;
  CHECK(fovea_cuda_rejects(cuda, (int32_t)steps[0].kernel, &norm) != NULL);

  fovea_cuda_close(cuda);
  fovea_cuda_close(NULL);
  CHECK(fovea_emulator_free((void *)norm.x.live) == FOVEA_OK);
  CHECK(fovea_emulator_free(norm.x.data) == FOVEA_OK);
  CHECK(fovea_emulator_free(norm.g.data) == FOVEA_OK);
  CHECK(fovea_emulator_free(norm.y.data) == FOVEA_OK);
  CHECK(fovea_emulator_free(take.rows.data) == FOVEA_OK);
  CHECK(fovea_emulator_free(take.y.data) == FOVEA_OK);
  CHECK(fovea_emulator_free(error) == FOVEA_OK);
  CHECK(fovea_emulator_live(&bytes) == 0 && bytes == 0);
  fovea_emulator_close();
}

#else

/* No context is current here, whether there is a driver or not. */
static void check_device(void) {
  int32_t error = 0;
  char message[300] = "";
  fovea_cuda *cuda = NULL;
  CHECK(fovea_cuda_module_count() > 10);
  CHECK(fovea_cuda_open(NULL, 0, &error, &cuda, message, sizeof message) == FOVEA_E_UNSUPPORTED);
  CHECK(cuda == NULL && strlen(message) > 0);
}

#endif

int main(void) {
  check_table();
  check_blocks();
  check_device();
  printf("%s\n", failures ? "FAILED" : "passed");
  return failures != 0;
}
