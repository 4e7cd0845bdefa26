/* Block layouts of quantized weights and caches, shared by every kernel language. The same as ggml's Q8_0 and Q4_0. */
#ifndef FOVEA_BLOCKS_H
#define FOVEA_BLOCKS_H

#include <stdint.h>

#define FOVEA_BLOCK 32 /* weights in a block */

/* w[j] = d * q[j] */
typedef struct fovea_q8_0 {
  uint16_t d; /* binary16 */
  int8_t q[FOVEA_BLOCK];
} fovea_q8_0;

/* w[j] = d * ((q[j] & 15) - 8), w[j + 16] = d * ((q[j] >> 4) - 8) */
typedef struct fovea_q4_0 {
  uint16_t d; /* binary16 */
  uint8_t q[FOVEA_BLOCK / 2];
} fovea_q4_0;

#endif
