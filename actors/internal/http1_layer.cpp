#include "actors/internal/http1_layer.hpp"

#include "runtime/internal/tree_sink.hpp"

namespace creche::internal {

namespace {

constexpr std::uint32_t small_body = 2048;  // copied behind its head
constexpr std::uint64_t most_discarded = 1024 * 1024; // of a body nobody wants; else we close
constexpr std::uint32_t piece_size = 16384; // of a large one

// Letters to the task: opened in its turn.
struct piece_note {
  exchange_ref x;
  slice b;
  void operator()(resident&) { x->came(std::move(b)); }
};
struct end_note {
  exchange_ref x;
  std::error_code why;
  void operator()(resident&) const { x->ended(why); }
};
struct room_note {
  exchange_ref x;
  void operator()(resident&) const { x->room_again(); }
};

} // namespace

http1_layer::http1_layer(caf::actor_config& cfg, child_record* r, stack_actor& s,
                         std::shared_ptr<const http1::server> config, connection_counters& counters)
    : layer_actor(cfg, r, s), config_(std::move(config)), counters_(counters),
      core_(config_->limits()) {
  fire = [](timer& t) { static_cast<http1_layer&>(t).timed_out(); };
}

http1_layer::~http1_layer() {
  home_.disarm(*this);
  delete stream_;
}

void http1_layer::attached() {
  since_ = home_.burst_time();
  home_.arm(*this, later(since_, limit()));
}

void http1_layer::describe(const tree_sink& out) const {
  out.detail(std::to_string(requests_.load(std::memory_order_relaxed)) + " requests");
}

std::size_t http1_layer::turn(std::size_t budget) {
  if (std::exchange(late_, false) && !dead_) {
    if (phase_ == phase::body) body_ended(make_error_code(std::errc::timed_out));
    if ((phase_ == phase::body && !responded_) || phase_ == phase::head)
      refuse(408, "the request took too long");
    shut(ended_by::timeout);
  }
  return layer_actor::turn(budget);
}

// ---- time: compared on fire

clock_duration http1_layer::limit() const noexcept {
  auto& t = config_->timeouts();
  switch (phase_) {
  case phase::idle: return t.idle;
  case phase::head: return t.header;
  case phase::body: return t.body;
  default: return t.idle; // only looked at again
  }
}

void http1_layer::enter(phase p) noexcept {
  phase_ = p;
  since_ = home_.burst_time();
  // a shorter limit than the one the timer was set for
  if (p == phase::head && armed()
      && due > std::uint64_t(later(since_, limit()).time_since_epoch().count())) {
    home_.disarm(*this);
    home_.arm(*this, later(since_, limit()));
  }
}

void http1_layer::timed_out() { // outside every turn
  if (dead_ || phase_ == phase::closing) return;
  const auto now = home_.now();
  const auto due_at = later(since_, limit());
  const bool ours = phase_ == phase::handling || (phase_ == phase::body && busy_);
  if (ours || now < due_at)
    return home_.arm(*this, std::max(due_at, later(now, std::chrono::seconds(1))));
  late_ = true;
  wake_up();
}

// ---- bytes in

bool http1_layer::may_feed() {
  if (discard_) return true;
  return reading_ && now_->in.room(now_->marks);
}

take http1_layer::received(const slice& in) {
  if (phase_ == phase::closing) return {in.size()};
  std::size_t used = 0;
  for (;;) {
    if (now_ && !in_body_) {
      if (!busy_) busy_ = pause_in("http1: the request in hand");
      break;
    }
    if (in_body_ && !may_feed()) {
      if (!busy_) busy_ = pause_in("http1: the handler does not read the body");
      break;
    }
    const auto step = core_.next(in.bytes().subspan(used));
    using event = http1::server_core::event;
    if (step.what == event::need_more) {
      used += step.used;
      if (in_body_) {
        if (step.used) since_ = home_.burst_time();
      } else if (phase_ == phase::idle && !core_.idle()) {
        enter(phase::head);
      }
      break;
    }
    const auto at = used;
    used += step.used;
    if (step.what == event::failed) {
      refuse(core_.error());
      return {in.size()};
    }
    if (step.what == event::head) start_request(in.part(at, step.used));
    if (step.what == event::body) {
      since_ = home_.burst_time();
      if (!discard_) {
        const auto from = std::size_t(step.body.data() - in.bytes().data());
        auto piece = in.part(from, step.body.size());
        piece.keep_cheaply();
        now_->in.add(piece.size());
        tell_task(piece_note{exchange_ref::share(now_.x), std::move(piece)});
      }
    }
    if (step.what == event::end) {
      body_ended({});
      if (responded_) response_done();
    }
    if (dead_ || phase_ == phase::closing) return {in.size()};
  }
  return {std::uint32_t(used)};
}

template <class N> void http1_layer::tell_task(N note) {
  auto& to = static_cast<resident&>(*caf::actor_cast<caf::abstract_actor*>(task_));
  if constexpr (requires { note.b; })
    if (&to.home() != &home_) note.b = note.b.private_copy();
  tell<N, lane::data>(to, std::move(note));
}

void http1_layer::start_request(slice head) {
  auto* x = new exchange;
  x->bytes = slice::copy_of(head.view()); // the task may keep it for long
  x->head = core_.head();
  x->head.rebase(x->bytes.view().data() + (core_.head().bytes().data() - head.view().data()));
  x->layer = this;
  x->id = ++id_;
  x->two_loops = &stack().home() != &home_;
  caf::intrusive_ptr_add_ref(ctrl());
  now_ = exchange_ref(x);
  in_body_ = true; // an end comes for every head
  responded_ = stream_over_ = false;
  discard_ = reading_ = false;
  keep_ = core_.keep_alive() && !draining_;
  requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  counters_.requests.fetch_add(1, std::memory_order_relaxed);
  const bool bare = x->head.body() == http1::body_kind::none;
  if (bare) discard_ = true; // there is nothing to wait for: the end comes next
  enter(bare ? phase::handling : phase::body);
  stack().start_task("request", http1::request_call(exchange_ref::share(x), config_));
}

void http1_layer::body_ended(std::error_code why) {
  if (!in_body_) return;
  in_body_ = false;
  body_why_ = why;
  if (reading_) tell_task(end_note{exchange_ref::share(now_.x), why});
  if (phase_ == phase::body) enter(phase::handling);
}

void http1_layer::want_body(exchange& x, caf::strong_actor_ptr task) {
  if (!now_ || now_.x != &x) return;
  task_ = std::move(task);
  reading_ = true;
  if (!in_body_) return tell_task(end_note{exchange_ref::share(now_.x), body_why_});
  if (x.head.expects_continue() && all_shown() && !responded_)
    write_below(slice::of_static(http1::continue_line));
  since_ = home_.burst_time();
  busy_.release();
}

void http1_layer::body_taken(std::uint32_t id) {
  if (now_ && now_->id == id && in_body_) busy_.release();
}

void http1_layer::eof() {
  eof_ = true;
  if (in_body_) {
    keep_ = false;
    body_ended(http1::make_error_code(http1::errc::truncated));
    if (responded_) response_done();
    return;
  }
  if (!now_) shut(core_.at_eof() == http1::errc::none ? ended_by::clean : ended_by::truncated);
}

void http1_layer::drain() {
  draining_ = true;
  core_.stop();
  keep_ = false;
  if (!now_) shut(ended_by::clean);
}

// ---- bytes out

void http1_layer::refuse(http1::errc e) { refuse(http1::status_of(e), http1::text(e)); }

void http1_layer::refuse(int status, std::string_view text) {
  counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
  if (in_body_) body_ended(http1::make_error_code(core_.error() == http1::errc::none
                                                      ? http1::errc::truncated
                                                      : core_.error()));
  if (!responded_ && !has_output()) {
    std::string body(text);
    body += '\n';
    http1::response_head h(status, body.size());
    h.content_type = "text/plain; charset=utf-8";
    h.date = home_.date_line();
    ++id_; // whatever the handler still answers is not for us
    send_head(h, body);
  }
  shut(ended_by::refused);
}

void http1_layer::send_head(http1::response_head h, std::string_view body) {
  const auto most = http1::size_bound(h) + body.size();
  auto room = slab_cursor::for_output().room(std::uint32_t(most));
  const auto w = http1::write_head(room, h);
  if (w.error != http1::errc::none) throw std::system_error(http1::make_error_code(w.error));
  auto n = w.size;
  if (!body.empty()) std::memcpy(room.data() + n, body.data(), body.size());
  n += body.size();
  write_below(slab_cursor::for_output().cut(std::uint32_t(n)));
}

bool http1_layer::send_response_head(const http1::response& r, std::optional<std::uint64_t> length,
                                     std::string_view body) {
  http1::response_head h(now_->head, r.status_, length);
  framing_ = h.framing;
  if (!keep_ || r.close_ || framing_ == http1::body_framing::until_close) h.keep_alive = false;
  if (in_body_ && now_->head.expects_continue() && !reading_) h.keep_alive = false;
  keep_ = h.keep_alive;
  h.content_type = r.content_type_;
  h.date = home_.date_line();
  std::vector<http1::field> fields;
  for (auto& [n, v] : r.fields_) fields.push_back({n, v});
  h.fields = fields;
  try {
    send_head(h, framing_ == http1::body_framing::none ? std::string_view() : body);
    return true;
  } catch (const std::system_error&) { // the handler's fields would break the message
    counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
    refuse(500, "the response could not be sent");
    return false;
  }
}

void http1_layer::respond(exchange& x, http1::response r, caf::strong_actor_ptr task) {
  if (now_.x != &x || x.id != id_ || responded_ || phase_ == phase::closing) return;
  if (r.streams_) {
    if (!send_response_head(r, r.length_, {})) return;
    responded_ = true;
    task_ = std::move(task);
    unwritten_ = r.length_.value_or(0);
    if (!stream_) stream_ = new std::deque<slice>;
    return;
  }
  const auto size = r.body_.size();
  const bool small = size <= small_body;
  if (!send_response_head(r, size, small ? std::string_view(r.body_) : std::string_view())) return;
  responded_ = true;
  stream_over_ = true;
  if (!small && framing_ == http1::body_framing::fixed) {
    rest_of_body_ = slice::copy_of(r.body_);
    return push_out();
  }
  response_done();
}

void http1_layer::send_chunk(slice b) {
  if (framing_ == http1::body_framing::none || b.empty()) return;
  if (framing_ == http1::body_framing::chunked) {
    auto room = slab_cursor::for_output().room(http1::max_chunk_prefix);
    const auto n = http1::write_chunk_prefix(room, b.size());
    write_below(slab_cursor::for_output().cut(std::uint32_t(n)));
    write_below(std::move(b));
    write_below(slice::of_static(http1::chunk_end));
  } else {
    write_below(std::move(b));
  }
}

void http1_layer::stream_piece(std::uint32_t id, slice b) {
  if (!now_ || now_->id != id || !responded_ || stream_over_ || phase_ == phase::closing) return;
  if (framing_ == http1::body_framing::fixed) {
    if (b.size() > unwritten_) return stream_end(id, true); // more than was announced
    unwritten_ -= b.size();
  }
  stream_->push_back(std::move(b));
  push_out();
}

void http1_layer::stream_end(std::uint32_t id, bool failed) {
  if (!now_ || now_->id != id || !responded_ || stream_over_ || phase_ == phase::closing) return;
  stream_over_ = true;
  if (failed || (framing_ == http1::body_framing::fixed && unwritten_)) {
    counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
    phase_ = phase::closing;
    return abort(); // cut: the peer must not take it for the whole
  }
  push_out();
}

void http1_layer::resume_out() {
  layer_actor::resume_out();
  push_out();
}

bool http1_layer::has_output() const noexcept {
  return !rest_of_body_.empty() || (stream_ && !stream_->empty());
}

void http1_layer::on_over() noexcept {
  home_.disarm(*this);
  now_ = exchange_ref();
  task_ = nullptr;
}

// Sends what there is while there is room below; the rest waits for resume_out().
void http1_layer::push_out() {
  if (!now_ || !responded_) return;
  while (!rest_of_body_.empty() && room_below()) {
    const auto n = std::min(rest_of_body_.size(), piece_size);
    write_below(rest_of_body_.part(0, n));
    rest_of_body_.skip(n);
  }
  while (stream_ && !stream_->empty() && room_below()) {
    auto b = std::move(stream_->front());
    stream_->pop_front();
    const auto n = b.size();
    send_chunk(std::move(b));
    if (now_->out.take(n, now_->marks, now_->two_loops))
      tell_task(room_note{exchange_ref::share(now_.x)});
  }
  if (stream_over_ && !has_output()) response_done();
}

void http1_layer::response_done() {
  if (!stream_over_ || has_output()) return;
  if (in_body_ && !discard_) { // the handler did not want the rest of its request
    if (!keep_ || core_.body_left() > most_discarded) return shut(ended_by::clean);
    discard_ = true;
    busy_.release();
    return;
  }
  if (in_body_) return; // its end is to come
  if (framing_ == http1::body_framing::chunked) write_below(slice::of_static(http1::last_chunk));
  next_request();
}

void http1_layer::next_request() {
  now_ = exchange_ref();
  task_ = nullptr;
  body_why_ = {};
  if (!keep_ || eof_) return shut(ended_by::clean);
  enter(phase::idle);
  busy_.release();
}

void http1_layer::shut(ended_by how) {
  if (phase_ == phase::closing) return;
  phase_ = phase::closing;
  home_.disarm(*this);
  drop_input();
  close_below(how);
}

} // namespace creche::internal
