// The cuda backend's kernels of linear maps at the sizes where they change course: tails of tiles on every side, rings that
// wrap, grids that step, both sizes of tiles, rows at odd addresses, and numbers far from 1. kernel_test.cpp has the rest.

#include "on_cuda.h"
//
#include "linear.h"

namespace {

void with_size(int32_t kernel, const Line &k, const LinearCase &c) {
  char text[80];
  snprintf(text, sizeof text, ", %dx%dx%d, %d dead, fill %d", c.t, c.width, c.outs, c.dead,
           static_cast<int>(c.fill));
  std::string name = current;
  current += text;
  linear(kernel, k, c);
  current = name;
}

void sizes(int32_t kernel, const Line &k) {
  bool blocks = in_blocks(code(types(k.signature)[1]));
  std::vector<LinearCase> all;
  if (k.variant == "plain") {
    all = {{2, 96, 9}};
  } else if (k.variant == "dp4a") {
    all = {{1, 32, 1},
           {1, 4224, 5},         // more than one round of loads
           {2, 64, 300},         // more pairs of rows than warps
           {4, 8320, 7, 1},      // as much shared memory as needs asking for
           {3, 160, 33, 0, 0}};  // odd scales
  } else if (k.variant == "mma16") {
    all = {{1, 32, 1},
           {8, blocks ? 5248 : 2632, 33, 0, 2},  // rings wrap, with a piece that is not full
           {9, blocks ? 1184 : 616, 70, 1, 2},   // two groups of tokens
           {16, blocks ? 1024 : 512, 32, 0, 2},
           {17, blocks ? 3200 : 1624, 65, 1, 2},  // one piece of 32 tokens
           {64, 256, 70, 3, 3},                   // two
           {45, 160, 64, 20, 2},                  // two, in the second none counts
           {5, blocks ? 96 : 40, 47, 2}};
  } else if (k.variant == "cublas") {
    all = {{1, 32, 1}, {17, 40, 65, 0, 2}, {70, 72, 300, 5, 2}};
  } else if (k.variant == "wgmma") {
    all = {{1, 32, 1},
           {63, 72, 127, 0, 2},
           {128, 576, 128, 3, 2},  // rings wrap
           {65, 136, 130, 0, 2},
           {300, 456, 700, 2, 2},    // several tiles a block, rings wrap between them
           {270, 456, 1030, 20, 2},  // the same with big tiles
           {400, 64, 1030, 200, 2},  // tiles of which no token counts
           {2100, 32, 130, 0, 2}};   // more tiles of tokens than run side by side
  } else {
    all = {{1, 32, 1},
           {17, blocks ? 96 : 40, 65, 0, 2},
           {64, blocks ? 192 : 200, 64, 5, 2},
           {65, blocks ? 352 : 360, 63, 0, 2},
           {131, blocks ? 224 : 232, 391, 2, 2},  // big tiles, rings wrap
           {200, 32, 520, 70, 2}};                // tiles of which no token counts
  }
  if (!blocks)
    all.push_back({3, 13, 37});  // no row but the first begins where 16 bytes can be read
  for (LinearFill fill : {LinearFill::HUGE_NUMBERS, LinearFill::TINY_NUMBERS, LinearFill::OUTLIERS})
    all.push_back({3, 128, 9, 0, 0, fill});
  if (code(types(k.signature)[1]) != FOVEA_F32)  // float arithmetic has no bound of its own there
    all.push_back({3, 128, 9, 0, 0, LinearFill::SUBNORMAL_NUMBERS});
  all.push_back({4, 64, 20, 4});  // no row counts
  for (const LinearCase &c : all) with_size(kernel, k, c);
}

}  // namespace

int main(int count, char **words) {
  std::string only = count > 1 ? words[1] : "";  // part of a variant's name
  int checked = 0;
  for (int32_t i = 0; i < line_count(); i++) {
    Line k;
    if (!line_at(i, k) || (k.op != "swiglu" && k.op.rfind("linear", 0) != 0)) continue;
    current = k.op + " " + k.signature + " " + k.variant;
    if (current.find(only) == std::string::npos) continue;
    // What follows the map is the same code for all weights: all sizes for one op, tails for the others.
    bool bias = k.signature.find(",_") == std::string::npos;
    if (k.op == "linear" && bias) {
      sizes(i, k);
    } else if (k.op == "swiglu" && k.variant != "plain") {
      for (const LinearCase &c :
           {LinearCase{2, 160, 11}, {9, 96, 19, 2, 3}, {67, 64, 133, 0, 2}, {130, 64, 300, 0, 2}})
        with_size(i, k, c);
    } else {
      with_size(i, k, {3, 64, 18, 1});
      if (k.variant == "wgmma") with_size(i, k, {130, 72, 140, 1, 2});
    }
    checked++;
  }
  current = "cublas without cuBLAS";
  fovea_cuda_offer_gemm(Device::of(1).cuda, nullptr);
  Buffer x(FOVEA_F32, {3, 32}), w(FOVEA_F16, {5, 32}), y(FOVEA_F32, {3, 5});
  Call c;
  c.tensors = {&x, &w, nullptr, &y};
  for (int32_t i = 0; i < line_count(); i++) {
    Line k;
    if (line_at(i, k) && k.op == "linear" && k.signature == "f32,f16,_->f32" &&
        (k.variant == "cublas") != (Judge().rejects(i, host_args(c)) != nullptr))
      fail(k.variant + " is taken though there is none, or refused");
  }
  printf("%d kernels, %d failures\n", checked, failures);
  return failures != 0 || checked == 0;
}
