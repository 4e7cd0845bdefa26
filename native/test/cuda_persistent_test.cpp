// Steps of a decoder, each launched by itself and all in one launch, on the emulated device: the same bits, for every type of
// weights and cache, at first positions, at edges of pages and where a row's keys are dealt out to several blocks; and a barrier of
// the grid that orders nothing is noticed, whichever it is.

#include <functional>

#include "emulated.h"

using namespace emulated;

namespace {

constexpr int LAYERS = 2, HEADS = 2, KEY_HEADS = 2, HIDDEN = 160, WORDS = 72;
constexpr int PAGES = 20, PLACES = 16, SEQUENCES = 2, TABLE = 10;
constexpr int PHASES = 5 * LAYERS + 2;

struct Case {
  int32_t weights, cache;  // types
  int rows, live, head;    // head: width

  std::string text() const {
    return std::string(weights == FOVEA_Q4_0 ? "q4_0" : "q8_0") + " weights, " +
           (cache == FOVEA_F16 ? "f16" : "f32") + " cache, " + std::to_string(live) + " of " +
           std::to_string(rows) + " rows, heads of " + std::to_string(head);
  }
  // The instance of the kernel.
  std::string kernel() const {
    return std::string("persistent_") + (cache == FOVEA_F16 ? "f16" : "f32") + "_" +
           std::to_string(head) + "__rows" + std::to_string(rows);
  }
};

// A decoder on the device: its weights, its activations, its caches, and its steps.
class Decoder {
 public:
  explicit Decoder(const Case &c, uint64_t seed) : c_(c), device_(seed), random_(7) {
    width_ = HEADS * c.head;
    const char *weights = c.weights == FOVEA_Q4_0 ? "q4_0" : "q8_0";
    const char *cache = c.cache == FOVEA_F16 ? "f16" : "f32";
    auto line = [&](const char *op, std::string signature, const char *variant) {
      for (size_t at; (at = signature.find('W')) != std::string::npos;)
        signature.replace(at, 1, weights);
      for (size_t at; (at = signature.find('C')) != std::string::npos;)
        signature.replace(at, 1, cache);
      return Device::line(op, signature.c_str(), variant);
    };
    live_ = device_.put(std::vector<int32_t>{c.live});
    x_ = values({c.rows, width_}, 1);
    turned_ = values({c.rows, HEADS, c.head}, 1);
    mixed_ = values({c.rows, HEADS, c.head}, 1);
    inner_ = values({c.rows, HIDDEN}, 1);
    last_ = values({c.rows, width_}, 1);
    logits_ = values({c.rows, WORDS}, 1);
    pos_ = tensor(device_.allocate(c.rows * 4), FOVEA_I32, {c.rows}, live_);
    seq_ = tensor(device_.put(std::vector<int32_t>{1, 0}), FOVEA_I32, {c.rows}, live_);
    std::vector<int32_t> pages(SEQUENCES * TABLE);
    for (size_t i = 0; i < pages.size(); i++) pages[i] = static_cast<int32_t>(i * 7 % PAGES);
    pages_ = tensor(device_.put(pages), FOVEA_I32, {SEQUENCES, TABLE});
    for (int i = 0; i < LAYERS; i++) {
      for (fovea_tensor &t : caches_[i]) t = paged();
      qkv_[i] = {x_,
                 gains(),
                 matrix(width_),
                 matrix(width_),
                 matrix(width_),
                 caches_[i][0],
                 caches_[i][1],
                 pos_,
                 seq_,
                 pages_,
                 turned_,
                 1e-5,
                 1e4,
                 1,
                 0};
      attention_[i] = {
          turned_, caches_[i][0], caches_[i][1], pos_,
          seq_,    pages_,        mixed_,        1 / sqrt(static_cast<double>(c.head))};
      fovea_tensor flat = mixed_;
      flat.rank = 2;
      flat.dim[1] = width_;
      flat.dim[2] = 1;
      out_[i] = {flat, matrix(width_), {}, x_, x_};
      gated_[i] = {x_, gains(), matrix(HIDDEN), matrix(HIDDEN), inner_, 1e-5};
      down_[i] = {inner_, matrix(width_, HIDDEN), {}, x_, x_};
      steps_.push_back({line("norm_qkv", "f32,f32,W,W,W,C,C,i32,i32,i32->f32", "dp4a"), &qkv_[i]});
      steps_.push_back(
          {line("paged_attention", "f32,C,C,i32,i32,i32->f32", "split"), &attention_[i]});
      steps_.push_back({line("linear_add", "f32,W,_,f32->f32", "dp4a"), &out_[i]});
      steps_.push_back({line("norm_swiglu", "f32,f32,W,W->f32", "dp4a"), &gated_[i]});
      steps_.push_back({line("linear_add", "f32,W,_,f32->f32", "dp4a"), &down_[i]});
    }
    norm_ = {x_, gains(), last_, 1e-5};
    head_ = {last_, matrix(WORDS), {}, logits_};
    steps_.push_back({line("rms_norm", "f32,f32->f32", "four"), &norm_});
    steps_.push_back({line("linear", "f32,W,_->f32", "dp4a"), &head_});
    for (auto &step : steps_) {
      const char *why = device_.rejects(static_cast<int32_t>(step.kernel), step.args);
      require(!why, c_.text() + ": " + (why ? why : ""));
      scratch_bytes_ = std::max(
          scratch_bytes_,
          fovea_cuda_scratch_bytes(device_.cuda(), static_cast<int32_t>(step.kernel), step.args));
    }
    scratch_ = device_.allocate(scratch_bytes_);
    fovea_emulator_fill(scratch_, 0, scratch_bytes_);
    const char *why = fovea_cuda_rejects_persistent(device_.cuda());
    require(!why, why ? why : "");
    make_table();
  }

  // The bits of everything that a step writes, after a step at these positions from the same start.
  std::vector<uint8_t> step(int position, bool together, const std::string &what) {
    std::string fault = start(position, together);
    require(fault.empty(), what + ": " + fault);
    std::vector<uint8_t> all;
    for (auto &[t, bytes] : state_) {
      auto part = device_.get<uint8_t>(t, static_cast<size_t>(bytes));
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

  // Runs; gives what the device says was broken.
  std::string start(int position, bool together, bool captured = false) {
    for (size_t i = 0; i < state_.size(); i++)
      fovea_emulator_copy(state_[i].first, initial_[i].data(), state_[i].second);
    std::vector<int32_t> pos{position, position / 2};
    fovea_emulator_copy(pos_.data, pos.data(), c_.rows * 4);
    void *graph = nullptr;
    if (captured) fovea_emulator_begin_capture(this);
    enqueue(together, captured ? this : nullptr);
    if (captured) {
      fovea_emulator_end_capture(this, &graph);
      fovea_emulator_launch_graph(graph, nullptr);
      fovea_emulator_free_graph(graph);
    }
    char line[1000] = "";
    fovea_emulator_synchronize(line, sizeof line);
    return line;
  }

  float *logits() { return static_cast<float *>(logits_.data); }
  Device &device() { return device_; }

 private:
  void enqueue(bool together, void *stream) {
    int32_t failed = 0;
    char line[512] = "";
    auto count = static_cast<int32_t>(steps_.size());
    int32_t status = together
                         ? fovea_cuda_enqueue_persistent(device_.cuda(), steps_.data(), count,
                                                         scratch_, scratch_bytes_, table_, stream,
                                                         &failed, line, sizeof line)
                         : fovea_cuda_enqueue(device_.cuda(), steps_.data(), count, scratch_,
                                              scratch_bytes_, stream, &failed, line, sizeof line);
    require(status == FOVEA_OK, c_.text() + ": " + line);
  }

  void make_table() {
    char line[512] = "";
    auto count = static_cast<int32_t>(steps_.size());
    int64_t bytes = 0;
    auto table = [&](void *memory) {
      return fovea_cuda_table(device_.cuda(), steps_.data(), count, scratch_, scratch_bytes_,
                              memory, &bytes, line, sizeof line);
    };
    require(table(nullptr) == FOVEA_OK && bytes > 0, c_.text() + ": no table: " + line);
    std::vector<uint8_t> made(static_cast<size_t>(bytes));
    int64_t less = --bytes;
    require(table(made.data()) == FOVEA_E_ARGUMENT, "a table a byte too small is written");
    bytes = less + 1;
    require(table(made.data()) == FOVEA_OK, c_.text() + ": " + line);
    table_ = device_.put(made);
  }

  fovea_tensor values(std::vector<int32_t> sizes, float deviation) {
    size_t count = 1;
    for (int32_t n : sizes) count *= static_cast<size_t>(n);
    return keep(normal(random_, count, deviation), FOVEA_F32, sizes, live_);
  }

  fovea_tensor paged() {
    std::vector<int32_t> sizes{PAGES, KEY_HEADS, PLACES, c_.head};
    auto numbers = normal(random_, static_cast<size_t>(PAGES * KEY_HEADS * PLACES * c_.head), 1);
    if (c_.cache == FOVEA_F32) return keep(numbers, FOVEA_F32, sizes, nullptr);
    std::vector<uint16_t> halves;
    for (float v : numbers) {  // 1 + v / 2^10 and the like: any half will do
      halves.push_back(static_cast<uint16_t>((v < 0 ? 0x8000 : 0) | (0x3800 + random_() % 0x400)));
    }
    return keep(halves, FOVEA_F16, sizes, nullptr);
  }

  template <class T>
  fovea_tensor keep(const std::vector<T> &numbers, int32_t dtype, std::vector<int32_t> sizes,
                    const int32_t *live) {
    T *memory = device_.put(numbers);
    auto bytes = static_cast<int64_t>(numbers.size() * sizeof(T));
    state_.push_back({memory, bytes});
    auto *from = reinterpret_cast<const uint8_t *>(numbers.data());
    initial_.push_back({from, from + bytes});
    return tensor(memory, dtype, sizes, live);
  }

  fovea_tensor gains() {
    return tensor(device_.put(normal(random_, static_cast<size_t>(width_), 1)), FOVEA_F32,
                  {width_});
  }

  // As blocks lie on the device: quants, then scales of about 0.01.
  fovea_tensor matrix(int outs, int width = 0) {
    if (!width) width = width_;
    int blocks = outs * width / 32, quants = blocks * (c_.weights == FOVEA_Q4_0 ? 16 : 32);
    std::vector<uint8_t> bytes(static_cast<size_t>(quants + blocks * 2));
    for (auto &b : bytes) b = static_cast<uint8_t>(random_());
    int shift = c_.weights == FOVEA_Q4_0 ? 0x2000 : 0x1000;
    for (int i = 0; i < blocks; i++) {
      auto scale = static_cast<uint16_t>(shift + random_() % 0x400);
      memcpy(&bytes[static_cast<size_t>(quants + i * 2)], &scale, 2);
    }
    return tensor(device_.put(bytes), c_.weights, {outs, width});
  }

  const Case c_;
  Device device_;
  std::mt19937 random_;
  int width_;
  int32_t *live_;
  fovea_tensor x_, turned_, mixed_, inner_, last_, logits_, pos_, seq_, pages_, caches_[LAYERS][2];
  fovea_norm_qkv_args qkv_[LAYERS];
  fovea_paged_attention_args attention_[LAYERS];
  fovea_linear_add_args out_[LAYERS], down_[LAYERS];
  fovea_norm_swiglu_args gated_[LAYERS];
  fovea_rms_norm_args norm_;
  fovea_linear_args head_;
  std::vector<fovea_cuda_step> steps_;
  std::vector<std::pair<void *, int64_t>> state_;
  std::vector<std::vector<uint8_t>> initial_;
  void *scratch_ = nullptr, *table_ = nullptr;
  int64_t scratch_bytes_ = 0;
};

void same(const Case &c, const std::vector<int> &positions, uint64_t seed) {
  Decoder decoder(c, seed);
  for (int position : positions) {
    std::string what =
        c.text() + ", position " + std::to_string(position) + ", seed " + std::to_string(seed);
    int64_t before = fovea_emulator_launches();
    auto apart = decoder.step(position, false, what);
    int64_t launches = fovea_emulator_launches() - before;
    auto together = decoder.step(position, true, what);
    require(launches == PHASES, what + ": " + std::to_string(launches) + " launches apart");
    launches = fovea_emulator_launches() - before - launches;
    require(launches == 1, what + ": " + std::to_string(launches) + " launches together");
    require(apart == together, what + ": other bits together");
    auto logits = decoder.device().get<float>(decoder.logits(), WORDS);
    for (float v : logits) require(v - v == 0, what + ": not a number");
    require(logits[0] != logits[1], what + ": all words are alike");
  }
  std::string fault = decoder.start(positions[0], true, true);
  require(fault.empty(), c.text() + ", captured: " + fault);
}

// Each of the barriers is needed.
void missed(const Case &c) {
  Decoder decoder(c, 3);
  for (int barrier = 0; barrier < PHASES - 1; barrier++) {
    fovea_emulator_ignore_barrier(barrier);
    std::string line = decoder.start(70, true);
    for (const std::string &piece :
         {c.kernel() + ": block (", std::string("thread ("), std::string(".cuh:"),
          std::string("with no barrier of the grid between")})
      require(line.find(piece) != std::string::npos, "barrier " + std::to_string(barrier) +
                                                         " orders nothing, and no '" + piece +
                                                         "' in '" + line + "'");
    if (barrier == 0 && getenv("FOVEA_SHOW")) printf("%s\n", line.c_str());
  }
  fovea_emulator_ignore_barrier(-1);
  std::string line = decoder.start(70, true);
  require(line.empty(), "after that: " + line);
}

void older_device() {
  Device device(1, 80);
  const char *why = fovea_cuda_rejects_persistent(device.cuda());
  require(why && !strcmp(why, "it needs compute capability 9.0"), "8.0 would do");
}

}  // namespace

int main() {
  same({FOVEA_Q4_0, FOVEA_F16, 1, 1, 64}, {0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 159}, 1);
  uint64_t seed = 2;
  for (int32_t weights : {FOVEA_Q4_0, FOVEA_Q8_0})
    for (int32_t cache : {FOVEA_F16, FOVEA_F32})
      for (int head : {64, 128})
        for (int rows = 1; rows <= 2; rows++)
          for (int live = rows; live >= 1; live--)
            same({weights, cache, rows, live, head}, {33, 70}, seed++);
  missed({FOVEA_Q4_0, FOVEA_F16, 1, 1, 64});
  older_device();
  puts("ok");
}
