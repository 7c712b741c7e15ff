#include "actors/testing/memory.hpp"

#include "actors/stack/internal/stack_actor.hpp"

#include <algorithm>
#include <deque>

namespace creche::testing {

using internal::layer_actor, internal::message_ptr, internal::verb;

namespace detail {

namespace {

class memory_layer;

struct packet {
  time_point due;
  std::string bytes;
};

/// One direction. Bytes go in at the writer's side, through the faults, and lie here.
struct pipe {
  faults wrong;
  std::size_t capacity = 0, lying = 0, entered = 0;
  std::deque<packet> packets;
  bool eof = false, reset = false;
  memory_layer* reader = nullptr;
  memory_layer* writer = nullptr;

  bool over() const noexcept { return eof || reset; }
  void enter(std::string_view bytes, time_point now);
};

} // namespace

struct memory_link {
  mutable pipe pipes[2]; // [i]: towards end i
  mutable bool lockstep = false, opened[2] = {}, gone[2] = {}, connected = true, fails = false;
  // the test's end, which takes the place of end 1
  bool by_hand = false;
  mutable std::string got;
  mutable std::size_t room = memory_wire::no_end, given = 0, late = 0;
  mutable bool finished = false, closed = false, aborted = false, over = false;
  mutable ended_by how = ended_by::clean;

  explicit memory_link(const memory_options& options) : lockstep(options.lockstep) {
    pipes[0].wrong = options.to_a;
    pipes[1].wrong = options.to_b;
    for (auto& p : pipes) p.capacity = options.capacity;
  }
  explicit memory_link(bool lock) : lockstep(lock), by_hand(true) { pipes[0].capacity = ~0ul; }
};

namespace {

class memory_layer final : public layer_actor, timer {
public:
  memory_layer(caf::actor_config& cfg, internal::child_record* record, internal::stack_actor& stack,
               creche::detail::shared<memory_link> link, int end)
      : layer_actor(cfg, record, stack), link_(std::move(link)), end_(end) {
    fire = [](timer& own) { static_cast<memory_layer&>(own).poke(); };
  }
  ~memory_layer() override { on_over(); }
  std::string_view kind() const noexcept override {
    return link_->lockstep ? "lockstep" : "memory";
  }
  /// Something changed; looked at in a turn of ours.
  void poke() noexcept {
    poked_ = true;
    wake_up();
  }
  time_point now() const noexcept { return home_.now(); }
  void taken_by_reader(std::size_t n) {
    if (link_->lockstep && !dead_) took_above(std::uint32_t(n));
    poke();
  }

private:
  pipe& in() const noexcept { return link_->pipes[end_]; }
  pipe& out() const noexcept { return link_->pipes[1 - end_]; }

  void attached() override {
    if (link_->lockstep) marks_above({1, 0});
    in().reader = this;
    out().writer = this;
    poke();
  }
  void on_marks() override {
    if (!std::exchange(poked_, false)) return;
    if (link_->fails) throw std::runtime_error("the transport failed");
    if (!established_) {
      if (!link_->connected) return;
      established_ = true;
      put_above(verb::established);
    }
    push_in();
    if (!dead_) push_out();
  }
  void write(message_ptr order) override {
    if (finishing_) link_->late += order->bytes.size();
    if (finishing_ || closing_) return took_above(order->bytes.size());
    out_.push(std::move(order));
    push_out();
  }
  void ask_flushed(message_ptr order) override {
    out_.push(std::move(order));
    push_out();
  }
  void finish_writing() override {
    finishing_ = true;
    push_out();
  }
  void close(ended_by how) override {
    if (std::exchange(closing_, true)) return;
    how_ = how;
    if (!established_ && !out_) { // nobody waits for that connection any more
      link_->closed = true;
      return end();
    }
    push_out();
  }
  void abort(ended_by how) override {
    out().reset = true;
    how_ = how;
    link_->aborted = true;
    end();
  }
  void on_cancel() override { abort(ended_by::local); }
  void resume_in() override { push_in(); }
  void drain() override {
    if (established_) push_in();
    if (dead_) return;
    if (established_ && !stack().drains_at_once())
      for (auto& p : in().packets)
        if (p.due <= now()) drain_behind_ += p.bytes.size();
    if (!drain_behind_) layer_actor::drain(); // else push_in() tells it
  }
  void on_over() noexcept override {
    home_.disarm(*this);
    out_.clear();
    if (in().reader == this) in().reader = nullptr;
    if (out().writer == this) out().writer = nullptr;
    if (out().reader) out().reader->poke();
    link_->over = link_->gone[end_] = true;
  }

  void push_in() {
    auto& p = in();
    std::size_t n = 0;
    while (!p.packets.empty() && p.packets.front().due <= now() && room_above()) {
      auto& bytes = p.packets.front().bytes;
      const auto size = std::min<std::size_t>(bytes.size(), 4096);
      const auto to = slab_cursor::for_input().room(std::uint32_t(size));
      std::copy_n(bytes.data(), size, to.data());
      send_up(slab_cursor::for_input().cut(std::uint32_t(size)));
      bytes.erase(0, size);
      if (bytes.empty()) p.packets.pop_front();
      n += size;
    }
    p.lying -= n;
    link_->given += n;
    if (drain_behind_ && n) {
      drain_behind_ -= std::min(drain_behind_, n);
      if (!drain_behind_) layer_actor::drain();
    }
    if (n && p.writer) p.writer->taken_by_reader(n);
    if (!p.packets.empty()) {
      if (p.packets.front().due > now()) home_.arm(*this, p.packets.front().due);
      return;
    }
    if (p.reset) {
      how_ = ended_by::reset;
      return end();
    }
    if (p.eof && !std::exchange(eof_told_, true)) put_above(verb::eof);
  }

  void push_out() {
    if (!established_) return;
    auto& p = out();
    std::uint32_t taken = 0;
    bool news = false;
    while (out_) {
      if (out_.front()->verb == verb::ask_flushed) {
        tell_flushed(out_.pop());
        continue;
      }
      auto& b = out_.front()->bytes;
      std::size_t room = p.capacity > p.lying ? p.capacity - p.lying : 0;
      if (link_->by_hand) room = link_->room;
      const bool lost = link_->gone[1 - end_]; // to nobody
      if (link_->lockstep && !link_->by_hand) room = p.packets.empty() ? b.size() : 0;
      if (lost) room = b.size();
      if (!room && !b.empty()) break;
      const auto n = std::min<std::size_t>(b.size(), room);
      if (link_->by_hand) {
        link_->got += b.view().substr(0, n);
        if (link_->room != memory_wire::no_end) link_->room -= n;
      } else if (!lost) {
        news = true;
        p.enter(b.view().substr(0, n), now());
      }
      if (!link_->lockstep || link_->by_hand || lost) taken += std::uint32_t(n);
      b.skip(n);
      if (b.empty()) out_.pop();
    }
    if (news && p.reader) p.reader->poke();
    if (taken) took_above(taken);
    if (finishing_ && !out_ && !p.eof) {
      p.eof = link_->finished = true;
      if (p.reader) p.reader->poke();
    }
    if (closing_ && !out_ && (!link_->lockstep || p.packets.empty() || !p.reader)) {
      p.eof = true;
      link_->closed = true;
      end();
    }
  }

  void end() {
    if (dead_) return;
    link_->how = how_;
    stack().note_end(how_, {}, kind());
    tell_lost();
    over();
  }

  creche::detail::shared<memory_link> link_;
  internal::message_queue out_;
  int end_;
  ended_by how_ = ended_by::clean;
  std::size_t drain_behind_ = 0; // bytes that lay there when we were drained
  bool poked_ = false, established_ = false, closing_ = false, finishing_ = false;
  bool eof_told_ = false;
};

void pipe::enter(std::string_view bytes, time_point now) {
  const auto from = entered, to = entered + bytes.size();
  entered = to;
  if (over()) return;
  std::string left(bytes);
  const auto cut_at = std::min(wrong.truncate_at, wrong.reset_at);
  if (cut_at <= to) left.resize(cut_at > from ? cut_at - from : 0);
  if (wrong.drop_at < to) {
    const auto begin = std::max(wrong.drop_at, from) - from;
    const auto end = wrong.drop_bytes == faults::never ? to : wrong.drop_at + wrong.drop_bytes;
    if (begin < left.size() && end > from)
      left.erase(begin, std::min(end - from, left.size()) - begin);
  }
  for (std::size_t at = 0; at < left.size();) {
    const auto n = std::min(wrong.split, left.size() - at);
    packets.push_back({later(now, wrong.delay), left.substr(at, n)});
    at += n;
  }
  lying += left.size();
  if (cut_at <= to) (wrong.reset_at <= wrong.truncate_at ? reset : eof) = true;
}

class memory_part final : public creche::detail::layer_part {
public:
  memory_part(std::string form, creche::detail::shared<memory_link> link, int end)
      : layer_part(std::move(form), speech::nothing, speech::octets), link_(std::move(link)),
        end_(end) {}
  void add_to(internal::stack_actor& stack) const override {
    if (std::exchange(link_->opened[end_], true))
      throw std::logic_error("this end of a memory transport was opened before");
    stack.add_layer<memory_layer>("memory", nullptr, link_, end_);
  }

private:
  creche::detail::shared<memory_link> link_;
  int end_;
};

stack_of<no_speech, octets> end_of(const creche::detail::shared<memory_link>& link, int end) {
  std::string text = link->lockstep ? "lockstep" : "memory";
  return stack_of<no_speech, octets>(
      any_stack(creche::detail::part::make<memory_part>(std::move(text), link, end)));
}

void poke(const memory_link& link) {
  if (auto* r = link.pipes[0].reader) r->poke();
}

} // namespace
} // namespace detail

memory_ends memory_pair(const memory_options& options) {
  const auto l = creche::detail::shared<detail::memory_link>::make<detail::memory_link>(options);
  return {detail::end_of(l, 0), detail::end_of(l, 1)};
}

// ---- the wire

memory_wire::memory_wire(bool lockstep)
    : link_(creche::detail::shared<detail::memory_link>::make<detail::memory_link>(lockstep)) {}
memory_wire::~memory_wire() = default;

detail::memory_link& memory_wire::state() const noexcept {
  return const_cast<detail::memory_link&>(*link_); // made by us, not const
}
stack_of<no_speech, octets> memory_wire::transport() { return detail::end_of(link_, 0); }

void memory_wire::connect_later() noexcept { state().connected = false; }
void memory_wire::connect() {
  state().connected = true;
  detail::poke(*link_);
}
void memory_wire::feed(std::string_view bytes) {
  auto& p = state().pipes[0];
  p.enter(bytes, time_point());
  detail::poke(*link_);
}
void memory_wire::eof() {
  state().pipes[0].eof = true;
  detail::poke(*link_);
}
void memory_wire::reset() {
  auto& p = state().pipes[0];
  p.reset = true;
  p.packets.clear(); // as a reset does
  p.lying = 0;
  detail::poke(*link_);
}
void memory_wire::take(std::size_t n) {
  state().room = n;
  detail::poke(*link_);
}
void memory_wire::fail() {
  state().fails = true;
  detail::poke(*link_);
}
const std::string& memory_wire::got() const noexcept { return link_->got; }
std::size_t memory_wire::given() const noexcept { return link_->given; }
std::size_t memory_wire::late() const noexcept { return link_->late; }
bool memory_wire::finished() const noexcept { return link_->finished; }
bool memory_wire::closed() const noexcept { return link_->closed; }
bool memory_wire::aborted() const noexcept { return link_->aborted; }
bool memory_wire::over() const noexcept { return link_->over; }
ended_by memory_wire::how() const noexcept { return link_->how; }

} // namespace creche::testing
