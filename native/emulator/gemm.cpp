#include "emulator/gemm.h"

#include "emulator/driver.h"
#include "fovea/cuda.h"

using namespace fovea;

extern "C" __attribute__((visibility("default"))) int32_t fovea_emulator_gemm(
    int32_t dtype, int32_t rows, int32_t outs, int32_t width, const void *x, int32_t x_step,
    const void *w, float *y, void *stream) {
  const emulator::Function *gemm = emulator::find(GEMM_NAME);
  if (!gemm) return FOVEA_E_UNSUPPORTED;
  // Row by row is column by column of the transpose: y^T = w x^T.
  GemmParams params{w, x, y, outs, rows, width, width, x_step, outs, 1, 0, dtype, 1, 0, nullptr, 0};
  emulator::Launch how;
  how.grid.x = static_cast<unsigned>((int64_t{outs} * rows + GEMM_THREADS - 1) / GEMM_THREADS);
  how.block.x = GEMM_THREADS;
  return emulator::launch(*gemm, how, &params, stream) ? FOVEA_E_ARGUMENT : FOVEA_OK;
}
