#include "actors/http/body.hpp"

#include "actors/http/internal/http1_layer.hpp"

namespace creche::http1 {

namespace {

using internal::exchange_ref;
using internal::http1_layer;
using internal::lane;
using internal::resident;

// Letters to the layer.
struct want_note {
  exchange_ref exchange;
  caf::strong_actor_ptr task;
  void operator()(resident& layer) {
    static_cast<http1_layer&>(layer).want_body(*exchange.x, std::move(task));
  }
};
struct taken_note {
  std::uint32_t id;
  void operator()(resident& layer) const { static_cast<http1_layer&>(layer).body_taken(id); }
};

} // namespace

body::next_op body::next() noexcept { return next_op(exchange_); }

body_too_large::body_too_large(std::size_t most)
    : length_error("a request's body has more than " + std::to_string(most) + " bytes") {}

task<std::string> body::all(std::size_t most) {
  const auto& head = exchange_->head;
  if (head.body() == body_kind::fixed && head.content_length() > most) throw body_too_large(most);
  std::string whole;
  while (auto piece = co_await next()) {
    if (piece->size() > most - whole.size()) throw body_too_large(most);
    whole += piece->view();
  }
  co_return whole;
}

body::next_awaiter::~next_awaiter() {
  if (exchange_->reader == this) exchange_->reader = nullptr;
}

bool body::next_awaiter::await_ready() noexcept {
  return run_.may_go_on() && (exchange_->has_piece() || exchange_->body_over);
}

void body::next_awaiter::begin_wait() {
  auto& x = *exchange_;
  misused_ = x.reader != nullptr;
  if (misused_ || x.has_piece() || x.body_over) return run_.yield();
  if (!x.asked)
    internal::tell<want_note, lane::data>(*x.layer, exchange_ref::share(&x), x.own_task());
  x.asked = true;
  x.reader_run = &run_;
  x.reader = this;
  run_.wait(*this);
}

std::optional<slice> body::next_awaiter::await_resume() {
  if (misused_) throw std::logic_error("two tasks wait for one request's body");
  auto& x = *exchange_;
  if (x.has_piece()) {
    auto piece = std::move(x.inbox->front());
    x.inbox->pop_front();
    if (x.in.take(piece.size() + internal::exchange::piece_cost, x.marks, x.two_loops)) {
      const internal::bookkeeping books; // or the piece would be missing from the body
      internal::tell<taken_note, lane::data>(*x.layer, x.id);
    }
    return piece;
  }
  if (x.lost == std::errc::not_enough_memory) throw std::bad_alloc();
  if (x.lost) throw body_lost(x.lost, "the request's body");
  return std::nullopt;
}

detail::aborted body::next_awaiter::abort() noexcept {
  exchange_->reader = nullptr;
  return detail::aborted::succeeded; // what comes stays in the inbox
}

} // namespace creche::http1
