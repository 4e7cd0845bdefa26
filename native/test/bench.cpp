// Ceilings and the linear kernels in one run: read bandwidth, then each weight type at one row and at many.
//
// Beside the time that passed stands what the same processor time would give on idle cores, threads * work / processor seconds:
// on a machine that others use too, only that can be compared from run to run.
//
// bench [threads]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "fovea/fovea.h"

namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of all threads together.
double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Times {
  double passed, processor;  // medians
};

template <class F>
Times median_of(int runs, F &&f) {
  std::vector<double> passed, processor;
  for (int i = 0; i < runs; i++) {
    double start = seconds(), busy = processor_seconds();
    f(i);
    passed.push_back(seconds() - start);
    processor.push_back(processor_seconds() - busy);
  }
  std::sort(passed.begin(), passed.end());
  std::sort(processor.begin(), processor.end());
  return {passed[passed.size() / 2], processor[processor.size() / 2]};
}

fovea_tensor tensor(void *data, int32_t dtype, int32_t a, int32_t b) {
  return {data, nullptr, dtype, 2, {a, b, 1, 1}};
}

}  // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 2;
  const int32_t width = 4096, outs = 11008;
  fovea_cpu *cpu = nullptr;
  if (fovea_cpu_open(threads, &cpu) != FOVEA_OK) return 1;
  std::vector<uint8_t> memory(size_t{600} << 20);
  for (size_t i = 0; i < memory.size(); i++)
    memory[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  Times read = median_of(
      9, [&](int) { fovea_cpu_read(cpu, memory.data(), static_cast<int64_t>(memory.size())); });
  printf("read %.1f GB/s, %d threads\n", static_cast<double>(memory.size()) / read.passed / 1e9,
         threads);

  struct Type {
    const char *name;
    int32_t code;
    double bytes;
  };
  for (Type type : {Type{"q4_0", FOVEA_Q4_0, 18. / 32}, Type{"q4_g128", FOVEA_Q4_G128, 68. / 128},
                    Type{"q8_0", FOVEA_Q8_0, 34. / 32}, Type{"bf16", FOVEA_BF16, 2.},
                    Type{"f16", FOVEA_F16, 2.}, Type{"f32", FOVEA_F32, 4.}}) {
    for (int rows : {1, 4, 16, 64, 512}) {
      std::vector<float> x(static_cast<size_t>(rows) * width, 0.5f),
          y(static_cast<size_t>(rows) * outs);
      size_t matrix = static_cast<size_t>(static_cast<double>(width) * outs * type.bytes);
      int copies = static_cast<int>(
          memory.size() / matrix);  // so that a matrix is not in cache when it comes again
      fovea_linear_args args{};
      args.x = tensor(x.data(), FOVEA_F32, rows, width);
      args.w = tensor(memory.data(), type.code, outs, width);
      args.y = tensor(y.data(), FOVEA_F32, rows, outs);
      char signature[32];
      snprintf(signature, sizeof signature, "f32,%s,_->f32", type.name);
      int32_t kernel = -1;
      for (int32_t i = 0; i < fovea_cpu_kernel_count(); i++) {
        fovea_cpu_kernel k;
        fovea_cpu_kernel_at(i, &k);
        if (!strcmp(k.op, "linear") && !strcmp(k.signature, signature) &&
            k.tier <= fovea_cpu_best_tier())
          kernel = i;
      }
      int64_t scratch_bytes = fovea_cpu_scratch_bytes(kernel, &args, threads);
      void *scratch = aligned_alloc(64, static_cast<size_t>(scratch_bytes + 63) / 64 * 64 + 64);
      fovea_cpu_step step{kernel, &args};
      Times time = median_of(rows > 16 ? 3 : 15, [&](int i) {
        args.w.data = memory.data() + static_cast<size_t>(i % copies) * matrix;
        fovea_cpu_run(cpu, &step, 1, scratch, scratch_bytes, nullptr);
      });
      double bytes = static_cast<double>(matrix) / 1e9, ops = 2. * rows * width * outs / 1e9;
      double idle = time.processor / threads;
      printf("%s rows %3d: %8.3f ms  %6.1f GB/s  %7.1f GOP/s   idle: %6.1f GB/s  %7.1f GOP/s\n",
             type.name, rows, time.passed * 1e3, bytes / time.passed, ops / time.passed,
             bytes / idle, ops / idle);
      free(scratch);
    }
  }
  fovea_cpu_close(cpu);
}
