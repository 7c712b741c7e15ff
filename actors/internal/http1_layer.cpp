#include "actors/internal/http1_layer.hpp"

#include "runtime/internal/tree_sink.hpp"

namespace creche::internal {

using namespace std::chrono_literals;

namespace {

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

} // namespace

http1_layer::http1_layer(caf::actor_config& cfg, child_record* r, stack_actor& s,
                         const http1::server& config, connection_counters& counters)
    : layer_actor(cfg, r, s), config_(config), counters_(counters), core_(config.limits()) {
  fire = [](timer& t) { static_cast<http1_layer&>(t).timed_out(); };
}

http1_layer::~http1_layer() { on_over(); } // it may never have started

void http1_layer::on_over() noexcept {
  home_.disarm(*this);
  forget_holds();
  end_exchange();
}

// What is ours of it is freed here, not where the last reference dies.
void http1_layer::end_exchange() noexcept {
  if (!now_) return;
  now_->whole = {};
  delete std::exchange(now_->stream, nullptr);
  now_->task_address = nullptr;
  now_ = exchange_ref();
}

void http1_layer::attached() {
  peers_turn();
  home_.arm(*this, due_time());
}

void http1_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  out.detail(std::to_string(requests_.load(std::memory_order_relaxed)) + " requests");
}

// ---- time: compared on fire, not armed again for every byte

clock_duration http1_layer::limit() const noexcept {
  auto& t = config_.timeouts();
  switch (phase_) {
  case phase::head: return t.header;
  case phase::body: return t.body;
  default: return t.idle;
  }
}

time_point http1_layer::due_time() const noexcept {
  const auto silent = later(since_, limit());
  auto& t = config_.timeouts();
  if (phase_ != phase::body || !t.least_rate) return silent;
  return std::min(silent, later(now_->rate_since, t.rate_over));
}

void http1_layer::progress(std::size_t bytes) noexcept {
  since_ = home_.burst_time();
  if (now_) now_->rate_bytes += bytes;
}

// What it sends, and how fast, is its own affair from now on.
void http1_layer::peers_turn() noexcept {
  since_ = home_.burst_time();
  rate_from(since_);
}

void http1_layer::rate_from(time_point now) noexcept {
  if (!now_) return;
  now_->rate_since = now;
  now_->rate_bytes = 0;
}

void http1_layer::enter(phase p) noexcept {
  phase_ = p;
  peers_turn();
  const auto limited = due_time();
  // only for a limit shorter than the one the timer was set for
  if (armed() && due > std::uint64_t(limited.time_since_epoch().count())) home_.arm(*this, limited);
}

void http1_layer::timed_out() { // outside every turn
  if (dead_ || phase_ == phase::closing) return;
  const auto now = home_.now();
  auto& t = config_.timeouts();
  // the handler takes its time, or the transport watches over a peer that does not read
  if (phase_ == phase::handling ||
      (phase_ == phase::body && (now_->busy || waits_to_write() || owes_continue()))) {
    rate_from(now);
    const auto again = phase_ == phase::body ? std::min(t.body, t.rate_over) : limit();
    return home_.arm(*this, later(now, std::max<clock_duration>(again, 1s)));
  }
  if (phase_ == phase::body && now >= later(now_->rate_since, t.rate_over) &&
      now_->rate_bytes >= t.least_bytes()) {
    rate_from(now);
  }
  if (const auto at = due_time(); now < at) return home_.arm(*this, at);
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

// It sends nothing before it is told to go on, and that is up to the handler.
bool http1_layer::owes_continue() const noexcept {
  return now_ && in_body_ && !reading_ && !discard_ && now_->head.expects_continue() && all_shown();
}

bool http1_layer::may_feed() {
  if (discard_) return true;
  return reading_ && now_->in.room(now_->marks);
}

take http1_layer::received(const slice& in) {
  std::size_t used = 0;
  while (phase_ != phase::closing && one_step(in, used)) {
  }
  // empty lines are no request: a drain that met them does not wait for what follows
  if (draining_ && !now_ && core_.idle() && used == in.size() && none_behind())
    shut(ended_by::clean);
  return {phase_ == phase::closing ? in.size() : std::uint32_t(used)};
}

// One event of the core; false: no more of them for now.
bool http1_layer::one_step(const slice& in, std::size_t& used) {
  if (now_ && !in_body_) {
    if (!now_->busy) now_->busy = pause_in("http1: the request in hand");
    return false;
  }
  // the end is told even so: perhaps no byte comes behind the last one, to ask again with
  if (in_body_ && !core_.at_end() && !may_feed()) {
    if (!now_->busy) now_->busy = pause_in("http1: the handler does not read the body");
    return false;
  }
  const auto at = used;
  http1::request_head head;
  const auto step = core_.next(in.bytes().subspan(used), head);
  used += step.used;
  using event = http1::connection_core::event;
  switch (step.what) {
  case event::need_more:
    if (in_body_ && step.used) progress(step.used);
    if (phase_ == phase::idle && !core_.idle()) enter(phase::head);
    return false;
  case event::head: start_request(in.part(at, step.used), head); break;
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
  progress(piece.size());
  if (discard_) {
    now_->discarded += piece.size();
    if (written_ && now_->discarded > most_discarded) shut(ended_by::clean);
    return;
  }
  piece.keep_cheaply();
  now_->in.add(piece.size() + internal::exchange::piece_cost);
  tell_task(piece_note{exchange_ref::share(now_.x), std::move(piece)});
}

void http1_layer::start_request(const slice& bytes, const http1::request_head& head) {
  auto* x = new exchange;
  x->bytes = slice::copy_of(bytes.view()); // the task may keep it for long
  x->head = head;
  x->head.rebase(x->bytes.view().data() + (head.bytes().data() - bytes.view().data()));
  x->layer = this;
  x->id = ++id_;
  x->two_loops = &stack().home() != &home_;
  caf::intrusive_ptr_add_ref(ctrl());
  now_ = exchange_ref(x);
  in_body_ = true; // an end comes for every head
  reading_ = discard_ = responded_ = told_ = written_ = false;
  keep_ = core_.keep_alive() && !draining_;
  requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  counters_.requests.fetch_add(1, std::memory_order_relaxed);
  enter(core_.at_end() ? phase::handling : phase::body);
  if (counters_.in_hand.fetch_add(1, std::memory_order_relaxed) >= config_.most_in_hand()) {
    counters_.in_hand.fetch_sub(1, std::memory_order_relaxed);
    counters_.turned_away.fetch_add(1, std::memory_order_relaxed);
    auto busy = http1::response::text(503, "too many requests in hand; try again\n");
    return respond(*x, std::move(busy).header("Retry-After", "1"), nullptr);
  }
  x->in_hand = &counters_.in_hand;
  stack().start_task("request", http1::request_call(exchange_ref::share(x), &config_));
}

void http1_layer::body_ended(std::error_code why) {
  if (!in_body_) return;
  in_body_ = false;
  now_->body_why = why;
  if (reading_) tell_task(end_note{exchange_ref::share(now_.x), why});
  if (phase_ == phase::body) enter(phase::handling);
}

void http1_layer::want_body(exchange& x, caf::strong_actor_ptr task) {
  if (!now_ || now_.x != &x) return;
  now_->task_address = std::move(task);
  reading_ = true;
  if (!in_body_) return tell_task(end_note{exchange_ref::share(now_.x), x.body_why});
  if (x.head.expects_continue() && all_shown() && !responded_)
    write_below(slice::of_static(http1::continue_line));
  peers_turn();
  now_->busy.release();
}

void http1_layer::body_taken(std::uint32_t id) {
  if (!now_ || now_->id != id || !in_body_ || !now_->busy) return;
  peers_turn();
  now_->busy.release();
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
  if (!now_ && core_.idle() && all_shown()) return shut(ended_by::clean);
  go_on(); // what is only read to be forgotten holds nobody up
}

void http1_layer::refuse(http1::errc e) {
  static_assert(http1::errc_kinds <= std::tuple_size_v<decltype(counters_.refused_for)>);
  counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
  counters_.refused_for[std::size_t(e)].fetch_add(1, std::memory_order_relaxed);
  body_ended(http1::make_error_code(e));
  answer_and_close(http1::status_of(e), http1::text(e), ended_by::refused);
}

} // namespace creche::internal
