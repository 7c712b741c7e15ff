#include "actors/http/internal/http1_layer.hpp"

#include "actors/http/internal/request_call.hpp"
#include "actors/http/internal/request_text.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

namespace creche::internal {

using namespace std::chrono_literals;

namespace {

// Letters to the task: opened in its turn.
struct piece_note {
  exchange_ref exchange;
  slice bytes;
  void operator()(resident&) { exchange->came(std::move(bytes)); }
};
struct end_note {
  exchange_ref exchange;
  std::error_code why;
  void operator()(resident&) const { exchange->ended(why); }
};

} // namespace

http1_layer::http1_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                         const http1::server& config, request_counters& counters)
    : http1_output(cfg, record, stack), config_(config), counters_(counters),
      core_(config.limits()) {
  fire = [](timer& own) { static_cast<http1_layer&>(own).timed_out(); };
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
  if (responded_ && !written_) note_answer(); // it was cut
  now_->whole = {};
  now_->file = {};
  delete std::exchange(now_->stream, nullptr);
  now_->task_address = nullptr;
  now_ = exchange_ref();
}

void http1_layer::on_cancel() {
  if (cancel_asked() && now_ && !written_)
    tell_trouble(request_text(*now_.x) + " was cut: its connection was cancelled");
  layer_actor::on_cancel();
}

void http1_layer::attached() {
  peers_turn();
  stack().note_idle(clock_.since());
  home_.arm(*this, due_time());
}

void http1_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  out.number("requests", requests_.load(std::memory_order_relaxed));
}

// ---- time: compared on fire, not armed again for every byte

time_point http1_layer::due_time() const noexcept {
  return clock_.due(config_.timeouts(), now_ ? &now_->rate : nullptr);
}

void http1_layer::progress(std::size_t bytes) noexcept {
  clock_.start(home_.burst_time());
  if (now_) now_->rate.bytes += bytes;
}

// What it sends, and how fast, is its own affair from now on.
void http1_layer::peers_turn() noexcept {
  const auto now = home_.burst_time();
  clock_.start(now);
  rate_from(now);
}

void http1_layer::rate_from(time_point now) noexcept {
  if (now_) now_->rate.restart(now);
}

void http1_layer::enter(phase next) noexcept {
  clock_.enter(next);
  peers_turn();
  if (next == phase::idle)
    stack().note_idle(clock_.since());
  else
    stack().note_busy();
  const auto limited = due_time();
  // only for a limit shorter than the one the timer was set for
  if (armed() && due > std::uint64_t(limited.time_since_epoch().count())) home_.arm(*this, limited);
}

void http1_layer::timed_out() { // outside every turn
  if (dead_ || closing()) return;
  const auto now = home_.now();
  auto& times = config_.timeouts();
  const bool in_body = clock_.is(phase::body);
  // the handler takes its time, or the transport watches over a peer that does not read
  if (clock_.is(phase::handling) ||
      (in_body && (now_->busy || waits_to_write() || owes_continue()))) {
    rate_from(now);
    const auto again = in_body ? std::min(times.body, times.rate_over) : times.idle;
    return home_.arm(*this, later(now, std::max<clock_duration>(again, 1s)));
  }
  if (in_body && now >= later(now_->rate.since, times.rate_over) &&
      now_->rate.bytes >= times.least_bytes()) {
    rate_from(now);
  }
  if (const auto at = due_time(); now < at) return home_.arm(*this, at);
  late_ = true;
  wake_up();
}

void http1_layer::on_marks() {
  if (!std::exchange(late_, false) || closing()) return;
  const bool owes_answer = clock_.is(phase::head) || (clock_.is(phase::body) && !responded_);
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
  while (!closing() && one_step(in, used)) {
  }
  // empty lines are no request: a drain that met them does not wait for what follows
  if (draining_ && !now_ && core_.idle() && used == in.size() && none_behind())
    shut(ended_by::clean);
  return {closing() ? in.size() : std::uint32_t(used)};
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
  using event = http1::server_core::event;
  switch (step.what) {
  case event::need_more:
    if (in_body_ && step.used) progress(step.used);
    if (clock_.idles() && !core_.idle()) enter(phase::head);
    return false;
  case event::head: start_request(in.part(at, step.used), head); break;
  case event::body:
    body_piece(in.part(std::size_t(step.body.data() - in.bytes().data()), step.body.size()));
    break;
  case event::end:
    body_ended({});
    go_on();
    break;
  case event::failed: refuse(core_.error(), in.view().substr(at)); break;
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
  exchange_ref made(new exchange);
  auto* x = made.x;
  x->bytes = slice::copy_of(bytes.view()); // the task may keep it for long
  x->head = head;
  x->head.rebase(x->bytes.view().data() + (head.bytes().data() - bytes.view().data()));
  x->layer = this;
  x->id = ++id_;
  x->began = home_.burst_time();
  x->two_loops = &stack().home() != &home_;
  caf::intrusive_ptr_add_ref(ctrl());
  now_ = std::move(made);
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
  if (clock_.is(phase::body)) enter(phase::handling);
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

void http1_layer::refuse(http1::errc error, std::string_view unread) {
  counters_.refused_requests.fetch_add(1, std::memory_order_relaxed);
  counters_.refused_for[std::size_t(error)].fetch_add(1, std::memory_order_relaxed);
  body_ended(http1::make_error_code(error));
  answer_and_close(http1::status_of(error), http1::text(error), ended_by::refused, unread);
}

// ---- answers

// `unread`: of a head that was refused.
void http1_layer::answer_and_close(int status, std::string_view text, ended_by how,
                                   std::string_view unread) {
  const bool to_head = now_ ? now_->head.method() == "HEAD" : core_.in_head_request();
  if (!responded_) {
    send_own(status, text, to_head);
    if (config_.hook()) {
      auto about = now_ ? about_request(*now_.x) : about_line(unread);
      about.status = status;
      about.bytes = to_head ? 0 : text.size() + 1;
      about.took = home_.burst_time() - (now_ ? now_->began : clock_.since());
      tell_answer(about);
    }
  }
  shut(how);
}

// ---- what is told of them

void http1_layer::note_answer() noexcept {
  if (!config_.hook()) return;
  auto about = about_request(*now_.x);
  about.status = now_->status;
  about.bytes = now_->sent;
  about.took = home_.burst_time() - now_->began;
  about.complete = written_;
  tell_answer(about);
}

void http1_layer::tell_answer(http1::answered& about) noexcept {
  about.unix_second = home_.time().unix_seconds();
  try {
    about.peer = stack().peer();
    about.local = stack().local();
    config_.hook()(about);
  } catch (...) {
    const bookkeeping books;
    const auto told = failure::from(std::current_exception(), record()->path());
    system_of(home_).tell({told, nursery_state::verdict::ignored, 0, {}});
  }
}

void http1_layer::tell_trouble(std::string what) const {
  const failure told(errc::unknown, std::move(what), record()->path());
  system_of(home_).tell({told, nursery_state::verdict::ignored, 0, {}, true});
}

void http1_layer::respond(exchange& x, http1::response response, caf::strong_actor_ptr task) {
  if (now_.x != &x || responded_ || closing()) return;
  if (response.failed_) counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
  // It waits for a word that nobody says any more.
  if (in_body_ && x.head.expects_continue() && !reading_) keep_ = false;
  // Nobody will read the rest, and it is too much to read for nothing: see go_on().
  const bool unread = !response.streams_ || !reading_;
  if (in_body_ && unread && core_.body_left() > most_discarded) keep_ = false;
  if (start_response(std::move(response), std::move(task))) response_told();
}

// Of a streamed response: letters that come late are nothing to us.
bool http1_layer::expects_more_of(std::uint32_t id) const noexcept {
  return now_ && now_->id == id && responded_ && !told_ && !closing();
}

void http1_layer::stream_piece(std::uint32_t id, slice bytes) {
  if (!expects_more_of(id)) return;
  if (!add_piece(std::move(bytes))) {
    tell_trouble(cut_text(*now_.x, now_->status) + "it wrote more than the " +
                 std::to_string(now_->length) + " bytes of its length");
    return stream_end(id, true);
  }
  send_some();
}

void http1_layer::stream_end(std::uint32_t id, bool failed) {
  if (!expects_more_of(id)) return;
  if (!failed && !lacks_bytes()) return response_told();
  // cut: the peer must not take it for the whole
  if (now_->body_why) return shut(ended_by::truncated); // it broke off first
  if (!failed)
    tell_trouble(cut_text(*now_.x, now_->status) + "it wrote " +
                 std::to_string(now_->length - now_->unwritten) + " of the " +
                 std::to_string(now_->length) + " bytes of its length");
  counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
  shut(ended_by::local);
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
  send_some();
}

void http1_layer::resume_out() {
  layer_actor::resume_out();
  send_some();
}

void http1_layer::send_some() {
  if (closing()) return;
  const bool was_written = written_;
  const bool all = push_out();
  if (file_cut_) return cut_file();
  if (!all) return;
  if (!was_written) note_answer();
  go_on();
}

// The peer was told of more bytes than the file has by now.
void http1_layer::cut_file() {
  tell_trouble(cut_text(*now_.x, now_->status) + "the file got shorter while it was sent");
  counters_.failed_requests.fetch_add(1, std::memory_order_relaxed);
  shut(ended_by::local);
}

// The response is written: to the next request, once this one has come to its end and the answers
// so far have found room. Or to the end, if the rest of the request is too much to read for
// nothing.
void http1_layer::go_on() {
  if (!written_ || closing()) return;
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
  if (closing()) return;
  clock_.enter(phase::closing);
  stack().note_busy();
  home_.disarm(*this);
  drop_input();
  if (responded_ && !written_)
    abort(how);
  else
    close_below(how);
}

} // namespace creche::internal
