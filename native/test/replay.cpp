// Holds the cpu backend to cases that `./fovea check --record FILE` wrote: what the harness of java/testkit does, on machines that run
// no Java. Every kernel that this machine can run, on 1, 2 and 3 threads: numbers within the definition's bounds, every other byte as
// it was, the same bits each time. A kernel without a case is a failure.
//
//   replay FILE

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "call.h"

namespace {

// The file's next numbers and texts; anything that is not there ends the program.
class Reader {
 public:
  explicit Reader(const char *file) : name_(file), in_(file, std::ios::binary) {}

  template <class T>
  T number() {
    T value;
    bytes(&value, sizeof value);
    return value;
  }
  std::string text(int32_t length) {
    if (length < 0 || length > 4096) quit("has a text of " + std::to_string(length) + " bytes");
    std::string s(static_cast<size_t>(length), 0);
    bytes(s.data(), s.size());
    return s;
  }
  void bytes(void *to, size_t n) {
    if (!in_.read(static_cast<char *>(to), static_cast<std::streamsize>(n))) quit("ends early");
  }
  bool at_end() { return in_.peek() == std::ifstream::traits_type::eof(); }
  [[noreturn]] void quit(const std::string &what) {
    printf("%s %s\n", name_.c_str(), what.c_str());
    exit(1);
  }

 private:
  std::string name_;
  std::ifstream in_;
};

// Memory at a whole cache line.
class Memory {
 public:
  explicit Memory(size_t bytes)
      : bytes_((bytes + 63) / 64 * 64),
        data_(static_cast<uint8_t *>(std::aligned_alloc(64, std::max<size_t>(bytes_, 64)))) {
    if (!data_) throw std::bad_alloc();
  }
  ~Memory() { std::free(data_); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  uint8_t *data() { return data_; }

 private:
  size_t bytes_;
  uint8_t *data_;
};

struct Tensor {
  int32_t dtype, rank, dim[4];
  int64_t offset;
  int32_t live;
};

struct Written {
  int32_t dtype;
  size_t offset, bytes;
  std::vector<double> value, bound;
};

struct Case {
  std::string op, signature, name;
  std::vector<Tensor> tensors;
  std::vector<uint64_t> attributes;
  std::vector<uint8_t> before;
  std::vector<Written> written;

  // The argument struct for memory at an address. `live` keeps the counts that it points at.
  std::vector<uint8_t> args(uint8_t *memory, std::vector<int32_t> &live) const {
    std::vector<uint8_t> bytes(tensors.size() * sizeof(fovea_tensor) + attributes.size() * 8);
    live.resize(tensors.size());
    for (size_t i = 0; i < tensors.size(); i++) {
      const Tensor &from = tensors[i];
      if (from.dtype < 0) continue;
      fovea_tensor t{};
      t.data = memory + from.offset;
      live[i] = from.live;
      t.live = from.live < 0 ? nullptr : &live[i];
      t.dtype = from.dtype;
      t.rank = from.rank;
      memcpy(t.dim, from.dim, sizeof t.dim);
      memcpy(bytes.data() + i * sizeof t, &t, sizeof t);
    }
    memcpy(bytes.data() + tensors.size() * sizeof(fovea_tensor), attributes.data(),
           attributes.size() * 8);
    return bytes;
  }
};

// False after the last one.
bool next(Reader &in, Case &c) {
  c = {};
  int32_t length = in.number<int32_t>();
  if (length == 0) return false;
  c.op = in.text(length);
  c.signature = in.text(in.number<int32_t>());
  c.name = in.text(in.number<int32_t>());
  c.tensors.resize(static_cast<size_t>(in.number<int32_t>()));
  for (Tensor &t : c.tensors) {
    t.dtype = in.number<int32_t>();
    if (t.dtype < 0) continue;
    t.rank = in.number<int32_t>();
    for (int32_t &d : t.dim) d = in.number<int32_t>();
    t.offset = in.number<int64_t>();
    t.live = in.number<int32_t>();
  }
  c.attributes.resize(static_cast<size_t>(in.number<int32_t>()));
  for (uint64_t &a : c.attributes) a = in.number<uint64_t>();
  c.before.resize(static_cast<size_t>(in.number<int64_t>()));
  in.bytes(c.before.data(), c.before.size());
  c.written.resize(static_cast<size_t>(in.number<int32_t>()));
  for (Written &w : c.written) {
    w.dtype = in.number<int32_t>();
    w.offset = static_cast<size_t>(in.number<int64_t>());
    w.bytes = static_cast<size_t>(in.number<int64_t>());
    if (w.offset > c.before.size() || w.bytes > c.before.size() - w.offset)
      in.quit("writes outside the memory of " + c.name);
    auto n = static_cast<size_t>(in.number<int32_t>());
    for (size_t i = 0; i < n; i++) {
      w.value.push_back(in.number<double>());
      w.bound.push_back(in.number<double>());
    }
  }
  return true;
}

// Elements and bytes of a block.
std::pair<size_t, size_t> block(int32_t dtype) {
  switch (dtype) {
    case FOVEA_Q8_0:
      return {32, sizeof(fovea_q8_0)};
    case FOVEA_F16:
    case FOVEA_BF16:
      return {1, 2};
    case FOVEA_U8:
      return {1, 1};
    default:
      return {1, 4};
  }
}

// What does not hold of memory after a run; empty if all does.
std::string problem(const Case &c, const uint8_t *after) {
  std::vector<uint8_t> ours(c.before.size());  // bytes that the definition speaks of
  for (const Written &w : c.written) {
    auto [size, bytes] = block(w.dtype);
    for (size_t i = 0; i < w.value.size(); i++) {
      if (w.bound[i] == -1) continue;
      double found = element(w.dtype, after + w.offset, i);
      if (!(std::fabs(found - w.value[i]) <= w.bound[i]))
        return "element " + std::to_string(i) + " is " + std::to_string(found) +
               ", the definition says " + std::to_string(w.value[i]) + " within " +
               std::to_string(w.bound[i]);
      size_t at = w.offset + i / size * bytes;
      std::fill_n(ours.begin() + static_cast<ptrdiff_t>(at), bytes, uint8_t{1});
    }
  }
  for (size_t i = 0; i < ours.size(); i++)
    if (!ours[i] && after[i] != c.before[i]) return "wrote to byte " + std::to_string(i);
  return "";
}

class Machine {
 public:
  Machine() {
    for (int32_t i = 0; i < fovea_cpu_kernel_count(); i++) {
      fovea_cpu_kernel k;
      if (fovea_cpu_kernel_at(i, &k) == FOVEA_OK && k.tier <= fovea_cpu_best_tier())
        lines_.push_back({i, k, 0});
    }
    for (int threads = 1; threads <= THREADS; threads++)
      if (fovea_cpu_open(threads, &contexts_[threads]) != FOVEA_OK) fail("no context");
  }
  ~Machine() {
    for (fovea_cpu *cpu : contexts_) fovea_cpu_close(cpu);
  }
  Machine(const Machine &) = delete;
  Machine &operator=(const Machine &) = delete;

  void replay(const Case &c) {
    int kernels = 0;
    for (Line &l : lines_) {
      if (c.op != l.kernel.op || c.signature != l.kernel.signature) continue;
      current = c.op + " " + c.signature + " [" + l.kernel.variant + "] " + c.name;
      kernels++;
      l.cases++;
      if (std::string what = run(c, l); !what.empty()) fail(what);
    }
    current = c.op + " " + c.signature + " " + c.name;
    if (kernels == 0) without_++;
  }

  // Every kernel must have had a case.
  void finish(int32_t cases) {
    int runs = 0;
    for (const Line &l : lines_) {
      current = std::string(l.kernel.op) + " " + l.kernel.signature + " [" + l.kernel.variant + "]";
      if (l.cases == 0) fail("has no case");
      runs += l.cases;
    }
    current = "all";
    if (runs == 0) fail("no case ran");
    printf("%d cases, %zu kernels, %d checks, %d cases without a kernel, %d failures\n", cases,
           lines_.size(), runs, without_, failures);
  }

 private:
  static constexpr int THREADS = 3;
  struct Line {
    int32_t index;
    fovea_cpu_kernel kernel;
    int cases;
  };

  std::string run(const Case &c, const Line &l) {
    Memory memory(c.before.size());
    std::vector<int32_t> live;
    std::vector<uint8_t> args = c.args(memory.data(), live), first;
    if (args.size() != static_cast<size_t>(l.kernel.args_bytes))
      return "its struct has " + std::to_string(l.kernel.args_bytes) + " bytes, not " +
             std::to_string(args.size());
    if (const char *reason = fovea_cpu_rejects(l.index, args.data())) return reason;
    for (int threads : {1, 1, 2, 3}) {
      int64_t bytes = fovea_cpu_scratch_bytes(l.index, args.data(), threads);
      Memory scratch(static_cast<size_t>(bytes));
      memset(scratch.data(), 0x7f, static_cast<size_t>(bytes));
      memcpy(memory.data(), c.before.data(), c.before.size());
      fovea_cpu_step step{l.index, args.data()};
      int32_t status = fovea_cpu_run(contexts_[threads], &step, 1, scratch.data(), bytes, nullptr);
      if (status != FOVEA_OK) return "status " + std::to_string(status);
      if (first.empty()) {
        if (std::string what = problem(c, memory.data()); !what.empty()) return what;
        first.assign(memory.data(), memory.data() + c.before.size());
      } else if (memcmp(first.data(), memory.data(), first.size()) != 0) {
        return "other bits on " + std::to_string(threads) + " threads";
      }
    }
    return "";
  }

  std::vector<Line> lines_;
  fovea_cpu *contexts_[THREADS + 1] = {};
  int without_ = 0;
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    printf("replay FILE\n");
    return 2;
  }
  Reader in(argv[1]);
  if (in.text(8) != "fovcase1") in.quit("is no file of cases");
  Machine machine;
  int32_t cases = 0;
  for (Case c; next(in, c); cases++) machine.replay(c);
  if (in.number<int32_t>() != cases || !in.at_end()) in.quit("has another number of cases");
  machine.finish(cases);
  return failures != 0;
}
