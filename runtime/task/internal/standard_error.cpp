#include "runtime/task/internal/standard_error.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>

namespace creche::internal {

namespace {

constexpr std::size_t never_blocks = 4096; // PIPE_BUF: what a pipe takes once it polls writable

// There is one standard error in a process, so this is one, too.
std::mutex writing;
std::atomic<std::size_t> lost{0};

// What was left.
std::string_view write_some(std::string_view text, int patience_ms) {
  while (!text.empty()) {
    pollfd ready{2, POLLOUT, 0};
    if (::poll(&ready, 1, patience_ms) != 1 || !(ready.revents & POLLOUT)) break;
    const auto n = ::write(2, text.data(), std::min(text.size(), never_blocks));
    if (n <= 0) break;
    text.remove_prefix(std::size_t(n));
  }
  return text;
}

} // namespace

void tell_operator(std::string_view text, int patience_ms) {
  std::unique_lock hold(writing, std::defer_lock);
  if (patience_ms)
    hold.lock();
  else if (!hold.try_lock()) // somebody waits for a slow reader
    return void(lost += text.size());
  if (const auto before = lost.load()) {
    const auto note = "\ncreche: " + std::to_string(before) + " bytes were lost here\n";
    if (!write_some(note, patience_ms).empty()) return void(lost += text.size());
    lost -= before;
  }
  lost += write_some(text, patience_ms).size();
}

namespace {
std::atomic<std::uint64_t> unreceived{0};
} // namespace

void last_resort(const failure& unheard) noexcept {
  ++unreceived;
  try {
    tell_operator("creche: a failure that nobody could receive: " + unheard.to_text(), 100);
  } catch (...) { // no memory for the text; it is counted
  }
}

} // namespace creche::internal

namespace creche {
std::uint64_t unreceived_failures() noexcept { return internal::unreceived.load(); }
} // namespace creche
