// exchange.hpp: one request and its response, between the http1 layer and the task that handles it.
//
// Both hold it; each has fields of its own, and they tell each other by letters only. Bytes in both
// directions are on gauges, like those between layers.
#pragma once

#include "actors/http/internal/phase_clock.hpp"
#include "actors/stack/internal/layer_actor.hpp"
#include "actors/stack/internal/open_file.hpp"
#include "protocols/http1/head.hpp"
#include "runtime/supervision/internal/task_actor.hpp"

#include <deque>

namespace creche::internal {

struct exchange : detail::counted<exchange>, detail::pooled {
  /// What a piece of a body counts beside its bytes, in and out: many small ones are held as well.
  static constexpr std::uint32_t piece_cost = layer_actor::frame_cost;

  // ---- set before the task starts
  http1::request_head head;                      // views into `bytes`
  slice bytes;                                   // its own memory
  resident* layer = nullptr;                     // an address: one reference, the task's
  std::atomic<std::uint32_t>* in_hand = nullptr; // counts us, while there is a handler
  std::uint32_t id = 0;

  // ---- the task's side: the handler, and tasks below it on the same loop
  task_actor* task = nullptr;         // the handler's; letters go to it
  std::deque<slice>* inbox = nullptr; // made when a piece comes
  detail::leaf* reader = nullptr;     // waits for a piece
  detail::leaf* writer = nullptr;     // waits for room
  detail::task_run* reader_run = nullptr;
  detail::task_run* writer_run = nullptr;
  std::error_code lost;
  bool asked = false, body_over = false;

  // ---- the layer's side: what it needs only while there is a request
  creche::hold busy;
  slice whole;                         // what is left of a response that was given whole
  detail::shared<open_file> file;      // or that is a file,
  std::uint64_t file_at = 0;           // from there on
  caf::strong_actor_ptr task_address;  // once the task asked for the body, or streams
  std::deque<slice>* stream = nullptr; // pieces of a streamed body that wait for room below
  byte_rate rate;                      // of the request's body
  std::uint64_t length = 0;            // of a streamed body that says it,
  std::uint64_t unwritten = 0;         // and how much of it has not come yet
  std::uint64_t sent = 0;              // of the response's body
  time_point began{};                  // its head was there
  int status = 0;                      // of the response, once it went out
  std::uint64_t discarded = 0;         // of the request's body, after the response
  std::error_code body_why;            // how the request's body ended

  // ---- both
  gauge in, out;
  internal::marks marks;
  bool two_loops = false;

  ~exchange();

  // ---- on the task's side
  bool has_piece() const noexcept { return inbox && !inbox->empty(); }
  caf::strong_actor_ptr own_task() const { return caf::strong_actor_ptr(task->ctrl()); }
  // letters to the task, opened in its turns
  void came(slice piece) noexcept;
  void ended(std::error_code why) noexcept;
  void room_again() noexcept;
};

struct exchange_ref {
  exchange* x = nullptr;

  exchange_ref() = default;
  explicit exchange_ref(exchange* owned) noexcept : x(owned) {} // takes over one reference
  static exchange_ref share(exchange* shared) noexcept {
    shared->add_ref();
    return exchange_ref(shared);
  }
  exchange_ref(exchange_ref&& other) noexcept : x(std::exchange(other.x, nullptr)) {}
  exchange_ref& operator=(exchange_ref&& other) noexcept {
    std::swap(x, other.x);
    return *this;
  }
  ~exchange_ref() {
    if (x) x->release();
  }
  exchange* operator->() const noexcept { return x; }
  explicit operator bool() const noexcept { return x != nullptr; }
};

} // namespace creche::internal
