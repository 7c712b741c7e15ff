// exchange.hpp: one request and its response, between the http1 layer and the task that handles it.
//
// Both hold it; each has fields of its own, and they tell each other by letters only. Bytes in both
// directions are on gauges, like those between layers.
#pragma once

#include "actors/http1.hpp"
#include "actors/internal/layer_actor.hpp"
#include "runtime/internal/task_actor.hpp"

#include <deque>

namespace creche::internal {

struct exchange : detail::pooled {
  /// What a piece of a body counts beside its bytes, in and out: many small ones are held as well.
  static constexpr std::uint32_t piece_cost = layer_actor::frame_cost;

  std::atomic<std::uint32_t> refs{1};

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
  caf::strong_actor_ptr task_address;  // once the task asked for the body, or streams
  std::deque<slice>* stream = nullptr; // pieces of a streamed body that wait for room below
  time_point rate_since{};             // bytes of a body are counted,
  std::uint64_t rate_bytes = 0;        // so many by now
  std::uint64_t unwritten = 0;         // of a streamed body with a length
  std::uint64_t discarded = 0;         // of the request's body, after the response
  std::error_code body_why;            // how the request's body ended

  // ---- both
  gauge in, out;
  internal::marks marks;
  bool two_loops = false;

  ~exchange() {
    delete inbox;
    if (in_hand) in_hand->fetch_sub(1, std::memory_order_relaxed);
    if (layer) caf::intrusive_ptr_release(layer->ctrl());
  }
  void hold() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool has_piece() const noexcept { return inbox && !inbox->empty(); }
  // letters to the task, opened in its turns
  void came(slice b);
  void ended(std::error_code why);
  void room_again();
};

struct exchange_ref {
  exchange* x = nullptr;

  exchange_ref() = default;
  explicit exchange_ref(exchange* e) noexcept : x(e) {} // takes over one reference
  static exchange_ref share(exchange* e) noexcept { return e->hold(), exchange_ref(e); }
  exchange_ref(exchange_ref&& o) noexcept : x(std::exchange(o.x, nullptr)) {}
  exchange_ref& operator=(exchange_ref&& o) noexcept {
    std::swap(x, o.x);
    return *this;
  }
  ~exchange_ref() {
    if (x) x->drop();
  }
  exchange* operator->() const noexcept { return x; }
  explicit operator bool() const noexcept { return x != nullptr; }
};

} // namespace creche::internal

namespace creche::http1 {

/// What the request's task runs: the handler, then the streamed body, if there is one.
struct request_call {
  internal::exchange_ref x;
  const server* config;

  static task<> invoke(void* self) { return serve(*static_cast<request_call*>(self)); }
  static task<> serve(request_call& self);
};

} // namespace creche::http1
