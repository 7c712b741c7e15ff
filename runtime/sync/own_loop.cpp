#include "runtime/sync/detail/own_loop.hpp"

#include "runtime/loop/internal/loop.hpp"

#include <stdexcept>
#include <string>

namespace creche::detail {

namespace {

[[noreturn]] void fail_wrong_loop(const char* what) {
  throw std::logic_error(std::string(what) +
                         ": it belongs to the loop of the task that first waited for it, and this "
                         "is another; between loops and threads there are shared_event, "
                         "shared_channel and messages");
}

} // namespace

void own_loop::bind(internal::loop& here, const char* what) {
  const auto born = loops_born.load(std::memory_order_relaxed);
  auto* bound = loop_.load(std::memory_order_relaxed);
  while (bound != &here) {
    if (bound && lives(*bound)) fail_wrong_loop(what);
    if (loop_.compare_exchange_weak(bound, &here, std::memory_order_relaxed)) break;
  }
  number_.store(here.number(), std::memory_order_relaxed);
  born_.store(born, std::memory_order_relaxed);
}

void own_loop::look(const internal::loop& bound, const char* what) const {
  if (!bound.at_home() && lives(bound)) fail_wrong_loop(what);
}

bool own_loop::lives(const internal::loop& bound) const noexcept {
  return internal::loop::lives(bound, number_.load(std::memory_order_relaxed));
}

} // namespace creche::detail
