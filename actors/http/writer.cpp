#include "actors/http/writer.hpp"

#include "actors/http/internal/http1_layer.hpp"

namespace creche::http1 {

namespace {

// A letter to the layer.
struct piece_note {
  std::uint32_t id;
  slice bytes;
  void operator()(internal::resident& layer) {
    static_cast<internal::http1_layer&>(layer).stream_piece(id, std::move(bytes));
  }
};

} // namespace

writer::write_op writer::write(slice bytes) noexcept { return {exchange_, std::move(bytes)}; }
writer::write_op writer::write(std::string_view bytes) {
  return {exchange_, slice::copy_of(bytes)};
}

writer::write_awaiter::~write_awaiter() {
  if (exchange_->writer == this) exchange_->writer = nullptr;
}

bool writer::write_awaiter::await_ready() noexcept {
  return run_.may_go_on() && (bytes_.empty() || exchange_->out.room(exchange_->marks));
}

void writer::write_awaiter::begin_wait() {
  auto& x = *exchange_;
  misused_ = x.writer != nullptr;
  if (misused_ || bytes_.empty() || x.out.room(x.marks)) return run_.yield();
  x.writer_run = &run_;
  x.writer = this;
  run_.wait(*this);
}

void writer::write_awaiter::await_resume() {
  if (misused_) throw std::logic_error("two tasks write one response");
  auto& x = *exchange_;
  if (bytes_.empty()) return;
  if (x.two_loops) bytes_ = bytes_.private_copy();
  const auto counted = bytes_.size() + internal::exchange::piece_cost;
  auto* letter =
      new internal::typed_letter<piece_note, internal::lane::data>(x.id, std::move(bytes_));
  x.out.add(counted); // now: nothing fails any more
  x.layer->send(*letter);
}

detail::aborted writer::write_awaiter::abort() noexcept {
  exchange_->writer = nullptr;
  return detail::aborted::succeeded;
}

} // namespace creche::http1
