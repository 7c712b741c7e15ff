#include "actors/internal/http1_layer.hpp"

#include "runtime/internal/tree_sink.hpp"

namespace creche::internal {

using namespace std::chrono_literals;

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

http1_layer::~http1_layer() { on_over(); } // it may never have started

void http1_layer::attached() {
  since_ = home_.burst_time();
  home_.arm(*this, later(since_, limit()));
}

void http1_layer::describe(const tree_sink& out) const {
  out.detail(std::to_string(requests_.load(std::memory_order_relaxed)) + " requests");
}

// ---- time: compared on fire, not armed again for every byte

clock_duration http1_layer::limit() const noexcept {
  auto& t = config_->timeouts();
  switch (phase_) {
  case phase::head: return t.header;
  case phase::body: return t.body;
  default: return t.idle;
  }
}

void http1_layer::enter(phase p) noexcept {
  phase_ = p;
  since_ = home_.burst_time();
  const auto limited = later(since_, limit());
  // only for a limit shorter than the one the timer was set for
  if (armed() && due > std::uint64_t(limited.time_since_epoch().count())) home_.arm(*this, limited);
}

void http1_layer::timed_out() { // outside every turn
  if (dead_ || phase_ == phase::closing) return;
  const auto now = home_.now();
  const auto due_at = later(since_, limit());
  // the handler takes its time, or the transport watches over a peer that does not read
  const bool ours = phase_ == phase::handling || (phase_ == phase::body && (busy_ || waits_to_write()));
  if (ours) return home_.arm(*this, later(now, std::max<clock_duration>(limit(), 1s)));
  if (now < due_at) return home_.arm(*this, due_at);
  late_ = true;
  wake_up();
}

void http1_layer::on_marks() {
  if (!std::exchange(late_, false) || phase_ == phase::closing) return;
  const bool owes_answer = phase_ == phase::head || (phase_ == phase::body && !responded_);
  body_ended(make_error_code(std::errc::timed_out));
  if (owes_answer)
    answer_and_close(408, "the request took too long", ended_by::timeout);
  else
    shut(ended_by::timeout);
}

// ---- bytes in

bool http1_layer::may_feed() {
  if (discard_) return true;
  return reading_ && now_->in.room(now_->marks);
}

take http1_layer::received(const slice& in) {
  std::size_t used = 0;
  while (phase_ != phase::closing && one_step(in, used)) {}
  return {phase_ == phase::closing ? in.size() : std::uint32_t(used)};
}

// One event of the core; false: no more of them for now.
bool http1_layer::one_step(const slice& in, std::size_t& used) {
  if (now_ && !in_body_) {
    if (!busy_) busy_ = pause_in("http1: the request in hand");
    return false;
  }
  if (in_body_ && !may_feed()) {
    if (!busy_) busy_ = pause_in("http1: the handler does not read the body");
    return false;
  }
  const auto at = used;
  const auto step = core_.next(in.bytes().subspan(used));
  used += step.used;
  using event = http1::server_core::event;
  switch (step.what) {
  case event::need_more:
    if (in_body_ && step.used) since_ = home_.burst_time();
    if (phase_ == phase::idle && !core_.idle()) enter(phase::head);
    return false;
  case event::head: start_request(in.part(at, step.used)); break;
  case event::body:
    body_piece(in.part(std::size_t(step.body.data() - in.bytes().data()), step.body.size()));
    break;
  case event::end:
    body_ended({});
    go_on();
    break;
  case event::failed: refuse(core_.error()); break;
  }
  return true;
}

void http1_layer::body_piece(slice piece) {
  since_ = home_.burst_time();
  if (discard_) {
    discarded_ += piece.size();
    if (written_ && discarded_ > most_discarded) shut(ended_by::clean);
    return;
  }
  piece.keep_cheaply();
  now_->in.add(piece.size());
  tell_task(piece_note{exchange_ref::share(now_.x), std::move(piece)});
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
  reading_ = discard_ = responded_ = told_ = written_ = false;
  discarded_ = 0;
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
  if (!now_ || now_->id != id || !in_body_ || !busy_) return;
  since_ = home_.burst_time();
  busy_.release();
}

void http1_layer::eof() {
  eof_ = true;
  if (in_body_) {
    keep_ = false;
    body_ended(http1::make_error_code(http1::errc::truncated));
    go_on();
  } else if (!now_) {
    shut(core_.at_eof() == http1::errc::none ? ended_by::clean : ended_by::truncated);
  }
}

// A request of which something has come is still answered, and is the last one.
void http1_layer::drain() {
  draining_ = true;
  keep_ = false;
  if (!now_ && core_.idle() && all_shown()) shut(ended_by::clean);
}

// ---- bytes out

void http1_layer::refuse(http1::errc e) {
  counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
  body_ended(http1::make_error_code(e));
  answer_and_close(http1::status_of(e), http1::text(e), ended_by::refused);
}

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
    answer_and_close(500, "the response could not be sent", ended_by::local);
    return false;
  }
}

void http1_layer::respond(exchange& x, http1::response r, caf::strong_actor_ptr task) {
  if (now_.x != &x || responded_ || phase_ == phase::closing) return;
  if (r.failed_) counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
  if (r.streams_) {
    if (!send_response_head(r, r.length_, {})) return;
    responded_ = true;
    if (framing_ == http1::body_framing::none) return response_told();
    task_ = std::move(task);
    unwritten_ = r.length_.value_or(0);
    if (!stream_) stream_ = new std::deque<slice>;
    return;
  }
  const bool small = r.body_.size() <= small_body;
  if (!send_response_head(r, r.body_.size(), small ? std::string_view(r.body_) : "")) return;
  responded_ = true;
  if (!small && framing_ == http1::body_framing::fixed) whole_ = slice::copy_of(r.body_);
  response_told();
}

void http1_layer::stream_piece(std::uint32_t id, slice b) {
  if (!now_ || now_->id != id || !responded_ || told_ || phase_ == phase::closing) return;
  if (framing_ == http1::body_framing::fixed) {
    if (b.size() > unwritten_) return stream_end(id, true); // more than was announced
    unwritten_ -= b.size();
  }
  stream_->push_back(std::move(b));
  push_out();
}

void http1_layer::stream_end(std::uint32_t id, bool failed) {
  if (!now_ || now_->id != id || !responded_ || told_ || phase_ == phase::closing) return;
  if (failed || (framing_ == http1::body_framing::fixed && unwritten_)) {
    counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
    return shut(ended_by::local); // cut: the peer must not take it for the whole
  }
  response_told();
}

// Nobody reads the request any more: a client that sends all of it before it reads must get rid of
// it, or both would wait for ever.
void http1_layer::response_told() {
  told_ = true;
  if (in_body_ && !discard_) {
    discard_ = true;
    since_ = home_.burst_time();
    busy_.release();
  }
  push_out();
}

void http1_layer::resume_out() {
  layer_actor::resume_out();
  push_out();
}

bool http1_layer::waits_to_write() const noexcept {
  return !whole_.empty() || (stream_ && !stream_->empty());
}

// Sends what there is while there is room below; the rest waits for resume_out().
void http1_layer::push_out() {
  if (!responded_ || phase_ == phase::closing) return;
  while (!whole_.empty() && room_below()) {
    const auto n = std::min(whole_.size(), piece_size);
    write_below(whole_.part(0, n));
    whole_.skip(n);
  }
  while (stream_ && !stream_->empty() && room_below()) {
    auto& b = stream_->front();
    const auto n = std::min(b.size(), piece_size);
    send_chunk(b.part(0, n));
    b.skip(n);
    if (b.empty()) stream_->pop_front();
    if (now_->out.take(n, now_->marks, now_->two_loops))
      tell_task(room_note{exchange_ref::share(now_.x)});
  }
  if (!told_ || waits_to_write()) return;
  if (!std::exchange(written_, true) && framing_ == http1::body_framing::chunked)
    write_below(slice::of_static(http1::last_chunk));
  go_on();
}

void http1_layer::send_chunk(slice b) {
  if (framing_ != http1::body_framing::chunked) return write_below(std::move(b));
  auto room = slab_cursor::for_output().room(http1::max_chunk_prefix);
  const auto n = http1::write_chunk_prefix(room, b.size());
  write_below(slab_cursor::for_output().cut(std::uint32_t(n)));
  write_below(std::move(b));
  write_below(slice::of_static(http1::chunk_end));
}

// The response is written: to the next request, once this one has come to its end and the answers
// so far have found room. Or to the end, if the rest of the request is too much to read for nothing.
void http1_layer::go_on() {
  if (!written_ || phase_ == phase::closing) return;
  if (in_body_) {
    if (!keep_ || core_.body_left() > most_discarded) shut(ended_by::clean);
  } else if (!keep_ || room_below()) {
    next_request();
  }
}

void http1_layer::next_request() {
  now_ = exchange_ref();
  task_ = nullptr;
  body_why_ = {};
  whole_ = {};
  responded_ = written_ = false;
  if (!keep_ || eof_) return shut(ended_by::clean);
  enter(phase::idle);
  busy_.release();
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

void http1_layer::on_over() noexcept {
  home_.disarm(*this);
  now_ = exchange_ref();
  task_ = nullptr;
  whole_ = {};
  delete std::exchange(stream_, nullptr);
}

} // namespace creche::internal
