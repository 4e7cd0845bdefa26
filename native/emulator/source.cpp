// Lines of source for return addresses, from addr2line (of binutils, which every compiler for this brings along). Only asked
// once something is wrong.

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "emulator/worker.h"

extern char **environ;

namespace fovea::emulator {

namespace {

// What a program writes; empty if it cannot be run.
std::string output_of(const std::vector<std::string> &command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  std::vector<char *> words;
  for (auto &word : command) words.push_back(const_cast<char *>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int refused = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  char piece[512];
  for (ssize_t n; refused == 0 && (n = read(ends[0], piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<size_t>(n));
  close(ends[0]);
  if (refused == 0) waitpid(child, nullptr, 0);
  return text;
}

std::string base_name(const std::string &path) { return path.substr(path.rfind('/') + 1); }

// A file of the emulator or of instructions: never what the reader looks for.
bool below_kernels(const std::string &path) {
  auto name = base_name(path);
  return path.find("emulator/device.h") != std::string::npos ||
         path.find("emulator/ptx.h") != std::string::npos || name == "half.h";
}

std::string look_up(const void *call) {
  Dl_info image;
  if (!dladdr(call, &image) || !image.dli_fname) return "an unknown line";
  // Programs that are not position-independent are linked where they run.
  auto *header = static_cast<const ElfW(Ehdr) *>(image.dli_fbase);
  auto start = header->e_type == ET_EXEC ? 0 : reinterpret_cast<uintptr_t>(image.dli_fbase);
  std::ostringstream address;
  address << "0x" << std::hex << reinterpret_cast<uintptr_t>(call) - 1 - start;  // within the call
  std::istringstream lines(output_of({"addr2line", "-i", "-e", image.dli_fname, address.str()}));
  std::vector<std::string> frames;
  for (std::string line; std::getline(lines, line);) {
    line = line.substr(0, line.find(" (discriminator"));
    if (line.find(":?") == std::string::npos && line.find(":0") == std::string::npos &&
        !below_kernels(line.substr(0, line.rfind(':'))))
      frames.push_back(base_name(line));
  }
  if (frames.empty()) return base_name(image.dli_fname) + "+" + address.str();
  if (frames.size() == 1 || frames.front() == frames.back()) return frames.front();
  return frames.front() + " (from " + frames.back() + ")";
}

}  // namespace

std::string source_line(const void *call) {
  static std::mutex mutex;
  static std::map<const void *, std::string> known;
  std::lock_guard lock(mutex);
  auto found = known.find(call);
  if (found == known.end()) found = known.emplace(call, look_up(call)).first;
  return found->second;
}

bool same_line(const void *a, const void *b) { return a == b || source_line(a) == source_line(b); }

}  // namespace fovea::emulator
