// The responses of http1_layer: heads, bodies whole and streamed, and what comes after the last
// byte.
#include "actors/internal/http1_layer.hpp"
#include "protocols/http1/grammar.hpp"

namespace creche::internal {

namespace {

constexpr std::uint32_t small_body = 2048;  // copied behind its head, or its size line
constexpr std::uint32_t piece_size = 16384; // of a large one

// A letter to the task, opened in its turn.
struct room_note {
  exchange_ref x;
  void operator()(resident&) const { x->room_again(); }
};

} // namespace

void http1_layer::answer_and_close(int status, std::string_view text, ended_by how) {
  if (!responded_) {
    std::string body(text);
    body += '\n';
    http1::response_head h(status, body.size());
    h.content_type = "text/plain; charset=utf-8";
    h.date = home_.date_line();
    send_head(h, body);
  }
  shut(how);
}

void http1_layer::send_head(http1::response_head h, std::string_view body) {
  const auto most = http1::size_bound(h) + body.size();
  if (most > detail::slab::standard)
    throw std::system_error(http1::make_error_code(http1::errc::does_not_fit));
  auto room = slab_cursor::for_output().room(std::uint32_t(most));
  const auto w = http1::write_head(room, h);
  if (w.error != http1::errc::none) throw std::system_error(http1::make_error_code(w.error));
  if (!body.empty()) std::memcpy(room.data() + w.size, body.data(), body.size());
  write_below(slab_cursor::for_output().cut(std::uint32_t(w.size + body.size())));
}

void http1_layer::send_response_head(const http1::response& r, std::optional<std::uint64_t> length,
                                     std::string_view body) {
  http1::response_head h(now_->head, r.status_, length);
  framing_ = h.framing;
  if (!keep_ || r.close_ || framing_ == http1::body_framing::until_close) h.keep_alive = false;
  if (in_body_ && now_->head.expects_continue() && !reading_) h.keep_alive = false;
  // What follows would be a tunnel's, and no request (RFC 9110 §9.3.6): also behind a refusal, for
  // a client may send it before it knows, and what is in it may be another's choice.
  if (now_->head.method() == "CONNECT") h.keep_alive = false;
  keep_ = h.keep_alive;
  h.content_type = r.content_type_;
  h.date = home_.date_line();
  std::vector<http1::field> fields;
  for (auto& [n, v] : r.fields_) {
    fields.push_back({n, v});
    if (http1::same_name(n, "date")) h.date = {};
  }
  h.fields = fields;
  send_head(h, framing_ == http1::body_framing::none ? std::string_view() : body);
  responded_ = true;
}

void http1_layer::respond(exchange& x, http1::response r, caf::strong_actor_ptr task) {
  if (now_.x != &x || responded_ || phase_ == phase::closing) return;
  if (r.failed_) counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
  if (r.streams_) {
    send_response_head(r, r.length_, {});
    if (framing_ == http1::body_framing::none) return response_told();
    now_->task_address = std::move(task);
    now_->unwritten = r.length_.value_or(0);
    if (!now_->stream) now_->stream = new std::deque<slice>;
    return;
  }
  const bool small = r.body_.size() <= small_body;
  send_response_head(r, r.body_.size(), small ? std::string_view(r.body_) : "");
  if (!small && framing_ == http1::body_framing::fixed) now_->whole = slice::copy_of(r.body_);
  response_told();
}

void http1_layer::stream_piece(std::uint32_t id, slice b) {
  if (!now_ || now_->id != id || !responded_ || told_ || phase_ == phase::closing) return;
  if (framing_ == http1::body_framing::fixed) {
    if (b.size() > now_->unwritten) return stream_end(id, true); // more than was announced
    now_->unwritten -= b.size();
  }
  now_->stream->push_back(std::move(b));
  push_out();
}

void http1_layer::stream_end(std::uint32_t id, bool failed) {
  if (!now_ || now_->id != id || !responded_ || told_ || phase_ == phase::closing) return;
  if (failed || (framing_ == http1::body_framing::fixed && now_->unwritten)) {
    // cut: the peer must not take it for the whole
    if (now_->body_why) return shut(ended_by::truncated); // it broke off first
    counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
    return shut(ended_by::local);
  }
  response_told();
}

// Nobody reads the request any more: a client that sends all of it before it reads must get rid of
// it, or both would wait for ever.
void http1_layer::response_told() {
  told_ = true;
  if (in_body_ && !discard_) {
    discard_ = true;
    peers_turn();
    now_->busy.release();
  }
  push_out();
}

void http1_layer::resume_out() {
  layer_actor::resume_out();
  push_out();
}

bool http1_layer::waits_to_write() const noexcept {
  return now_ && (!now_->whole.empty() || (now_->stream && !now_->stream->empty()));
}

// Sends what there is while there is room below; the rest waits for resume_out().
void http1_layer::push_out() {
  if (!responded_ || phase_ == phase::closing) return;
  auto& whole = now_->whole;
  while (!whole.empty() && room_below()) {
    const auto n = std::min(whole.size(), piece_size);
    write_below(whole.part(0, n));
    whole.skip(n);
  }
  while (now_ && now_->stream && !now_->stream->empty() && room_below()) {
    auto& b = now_->stream->front();
    const auto n = std::min(b.size(), piece_size);
    send_chunk(b.part(0, n));
    b.skip(n);
    const bool over = b.empty();
    if (over) now_->stream->pop_front();
    if (now_->out.take(n + (over ? exchange::piece_cost : 0), now_->marks, now_->two_loops))
      tell_task(room_note{exchange_ref::share(now_.x)});
  }
  if (!told_ || waits_to_write()) return;
  if (!std::exchange(written_, true) && framing_ == http1::body_framing::chunked)
    write_below(slice::of_static(http1::last_chunk));
  go_on();
}

void http1_layer::send_chunk(slice b) {
  if (framing_ != http1::body_framing::chunked) return write_below(std::move(b));
  const bool small = b.size() <= small_body; // one letter instead of three
  const auto more = small ? b.size() + std::uint32_t(http1::chunk_end.size()) : 0;
  auto room = slab_cursor::for_output().room(http1::max_chunk_prefix + more);
  const auto n = http1::write_chunk_prefix(room, b.size());
  if (small) {
    std::memcpy(room.data() + n, b.view().data(), b.size());
    std::memcpy(room.data() + n + b.size(), http1::chunk_end.data(), http1::chunk_end.size());
  }
  write_below(slab_cursor::for_output().cut(std::uint32_t(n) + more));
  if (small) return;
  write_below(std::move(b));
  write_below(slice::of_static(http1::chunk_end));
}

// The response is written: to the next request, once this one has come to its end and the answers
// so far have found room. Or to the end, if the rest of the request is too much to read for
// nothing.
void http1_layer::go_on() {
  if (!written_ || phase_ == phase::closing) return;
  if (in_body_) {
    if (!keep_ || core_.body_left() > most_discarded) shut(ended_by::clean);
  } else if (!keep_ || room_below()) {
    next_request();
  }
}

void http1_layer::next_request() {
  const bool broke_off = bool(now_->body_why);
  auto busy = std::move(now_->busy);
  end_exchange();
  responded_ = written_ = false;
  if (!keep_ || eof_) return shut(broke_off ? ended_by::truncated : ended_by::clean);
  enter(phase::idle);
  busy.release();
}

// The connection ends: after what was written, or at once if a response was cut.
void http1_layer::shut(ended_by how) {
  if (phase_ == phase::closing) return;
  phase_ = phase::closing;
  home_.disarm(*this);
  drop_input();
  if (responded_ && !written_)
    abort(how);
  else
    close_below(how);
}

} // namespace creche::internal
