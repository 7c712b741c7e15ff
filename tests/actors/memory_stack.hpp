// memory_stack.hpp: stacks without a socket. The lowest layer is a transport in memory; the test
// holds the other end, feeds it any split of bytes, and says how much the "kernel" takes.
//
// On the virtual clock all of it is deterministic. A wire may be used from any thread.
#pragma once

#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/system/internal/runtime_system.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace creche::testing {

using namespace std::chrono_literals;
using internal::layer_actor, internal::message_ptr, internal::stack_actor, internal::verb;

class memory_layer;

/// The peer's end of a memory transport.
class wire {
  template <class F> auto look(F f) const {
    std::lock_guard hold(lock_);
    return f();
  }

public:
  static constexpr std::size_t no_end = ~std::size_t{0};

  // ---- what the peer does
  void feed(std::string bytes) { // one packet
    change([&] { packets_.push_back(std::move(bytes)); });
  }
  void eof() {
    change([&] { eof_ = true; });
  }
  void reset() {
    change([&] { reset_ = true; });
  }
  /// The kernel takes so many bytes more.
  void take(std::size_t n) {
    change([&] { room_ = n; });
  }

  // ---- what it sees
  std::string got() const {
    return look([&] { return got_; });
  }
  std::size_t got_size() const {
    return look([&] { return got_.size(); });
  }
  bool closed() const {
    return look([&] { return closed_; });
  }
  bool aborted() const {
    return look([&] { return aborted_; });
  }
  /// How the stack closed or aborted.
  ended_by how() const {
    return look([&] { return how_; });
  }
  /// Bytes that the stack has taken from the peer.
  std::size_t given() const {
    return look([&] { return given_; });
  }

  /// Blocks a foreign thread until `done(got, ended)` holds; false: it did not
  /// within a generous time.
  template <class F> bool wait_for(F done) const {
    std::unique_lock hold(lock_);
    return seen_.wait_for(hold, 20s, [&] { return done(got_, over_); });
  }

private:
  friend class memory_layer;
  template <class F> void change(F f);

  mutable std::mutex lock_;
  mutable std::condition_variable seen_;
  caf::strong_actor_ptr layer_; // while it lives
  std::deque<std::string> packets_;
  std::string got_;
  std::size_t room_ = no_end, given_ = 0;
  bool eof_ = false, reset_ = false, closed_ = false, aborted_ = false, over_ = false;
  ended_by how_ = ended_by::clean;
};

/// The transport.
class memory_layer final : public layer_actor {
public:
  memory_layer(caf::actor_config& cfg, internal::child_record* r, stack_actor& s, wire& w)
      : layer_actor(cfg, r, s), wire_(w) {}
  std::string_view kind() const noexcept override { return "memory"; }

  void look_at_wire() {
    if (dead_) return;
    push_in();
    push_out();
  }

private:
  void attached() override {
    wire_.look([&] { wire_.layer_ = caf::strong_actor_ptr(ctrl()); });
    put_above(verb::established);
    look_at_wire();
  }
  void write(message_ptr m) override {
    out_.push(std::move(m));
    push_out();
  }
  void close(ended_by how) override {
    closing_ = true;
    how_ = how;
    push_out();
  }
  void abort(ended_by how) override { end(how, wire_.aborted_); }
  void resume_in() override { push_in(); }
  void drain() override {
    push_in();
    if (!dead_) layer_actor::drain();
  }
  void on_over() noexcept override {
    wire_.look([&] {
      wire_.layer_ = nullptr;
      wire_.over_ = true;
      wire_.seen_.notify_all();
    });
  }

  void push_in() {
    std::unique_lock hold(wire_.lock_);
    if (wire_.reset_) {
      hold.unlock();
      return over();
    }
    while (!wire_.packets_.empty() && room_above()) {
      auto& p = wire_.packets_.front();
      const auto room =
          slab_cursor::for_input().room(std::uint32_t(std::min<std::size_t>(p.size(), 4096)));
      const auto n = std::min(p.size(), room.size());
      std::memcpy(room.data(), p.data(), n);
      send_up(slab_cursor::for_input().cut(std::uint32_t(n)));
      wire_.given_ += n;
      p.erase(0, n);
      if (p.empty()) wire_.packets_.pop_front();
    }
    if (wire_.packets_.empty() && wire_.eof_ && !std::exchange(eof_told_, true))
      put_above(verb::eof);
  }
  void push_out() {
    std::uint32_t taken = 0;
    {
      std::lock_guard hold(wire_.lock_);
      while (out_ && (wire_.room_ || out_.front()->bytes.empty())) {
        auto& b = out_.front()->bytes;
        const auto n = std::min<std::size_t>(b.size(), wire_.room_);
        wire_.got_ += b.view().substr(0, n);
        if (wire_.room_ != wire::no_end) wire_.room_ -= n;
        b.skip(n);
        taken += std::uint32_t(n);
        if (b.empty()) out_.pop();
      }
      wire_.seen_.notify_all();
    }
    if (taken) took_above(taken);
    if (closing_ && !out_) end(how_, wire_.closed_);
  }
  void end(ended_by how, bool& as) {
    wire_.look([&] {
      as = true;
      wire_.how_ = how;
    });
    over();
  }

  wire& wire_;
  internal::message_queue out_;
  bool closing_ = false, eof_told_ = false;
  ended_by how_ = ended_by::clean;
};

template <class F> void wire::change(F f) {
  struct note {
    void operator()(internal::resident& r) const { static_cast<memory_layer&>(r).look_at_wire(); }
  };
  caf::strong_actor_ptr to;
  {
    std::lock_guard hold(lock_);
    f();
    to = layer_;
  }
  if (!to) return;
  auto& layer = static_cast<internal::resident&>(*caf::actor_cast<caf::abstract_actor*>(to));
  internal::tell<note, internal::lane::data>(layer);
}

/// Does nothing but what a layer does by default.
class pass_layer final : public layer_actor {
public:
  using layer_actor::layer_actor;
  std::string_view kind() const noexcept override { return "pass"; }
};

/// Does what the test says, and by default what a layer does by default.
class probe_layer final : public layer_actor {
public:
  struct hooks {
    std::function<void(probe_layer&)> attached = nullptr;
    std::function<std::size_t(probe_layer&, const slice&)> received = nullptr;
    std::function<void(probe_layer&)> eof = nullptr, resume_out = nullptr, drain = nullptr;
    std::function<void(probe_layer&, ended_by)> close = nullptr;
    std::function<void()> ended = nullptr;
  };
  probe_layer(caf::actor_config& cfg, internal::child_record* r, stack_actor& s, hooks h)
      : layer_actor(cfg, r, s), on_(std::move(h)) {}
  std::string_view kind() const noexcept override { return "probe"; }

  using layer_actor::ask_flushed, layer_actor::close_below, layer_actor::look_again,
      layer_actor::over, layer_actor::pause_in, layer_actor::put_above, layer_actor::put_below,
      layer_actor::room_above, layer_actor::room_below, layer_actor::send_up,
      layer_actor::write_below;

private:
  void attached() override {
    if (on_.attached) on_.attached(*this);
  }
  take received(const slice& in) override {
    if (!on_.received) return layer_actor::received(in);
    return {std::uint32_t(on_.received(*this, in))};
  }
  void eof() override { on_.eof ? on_.eof(*this) : layer_actor::eof(); }
  void resume_out() override {
    layer_actor::resume_out();
    if (on_.resume_out) on_.resume_out(*this);
  }
  void drain() override { on_.drain ? on_.drain(*this) : layer_actor::drain(); }
  void close(ended_by how) override { on_.close ? on_.close(*this, how) : layer_actor::close(how); }
  void on_over() noexcept override {
    if (on_.ended) on_.ended();
    on_ = {};
  }
  hooks on_;
};

/// A stack made by a recipe, which calls add().
class made_stack final : public stack_actor {
public:
  using recipe = std::function<void(made_stack&)>;
  made_stack(caf::actor_config& cfg, internal::child_record* r, const recipe& f)
      : stack_actor(cfg, r), recipe_(f) {}

  template <class L, class... A> L& add(const char* label, internal::loop* where, A&&... a) {
    return add_layer<L>(label, where, std::forward<A>(a)...);
  }
  /// Runs `f(made_stack&)` in a turn of the stack; any thread.
  template <class F> void in_turn(F f) {
    struct note {
      F f;
      void operator()(internal::resident& r) { f(static_cast<made_stack&>(r)); }
    };
    internal::tell<note, internal::lane::data>(*this, std::move(f));
  }
  /// The orderly stop, as its nursery would ask for it; any thread.
  void drain() {
    in_turn([](made_stack& s) { s.on_stop(); });
  }
  /// Counts the ends of its transport, one for each kind.
  std::array<unsigned, ended_by_kinds>* transport_ends = nullptr;
  /// The loop with this number.
  internal::loop* at(std::size_t i) { return &internal::runtime_of(home_).at(i); }

private:
  void build() override { recipe_(*this); }
  void transport_ended(ended_by how) noexcept override {
    if (transport_ends) ++(*transport_ends)[std::size_t(how)];
  }
  const recipe& recipe_;
};

struct stack_plan final : creche::detail::plan {
  made_stack::recipe recipe;
  stack_plan(std::string_view n, made_stack::recipe f) : recipe(std::move(f)) { name = n; }
  task<> body(creche::detail::ready_slot*) override {
    throw std::logic_error("a stack has no task");
  }
  internal::child_actor* make(internal::child_record& r) override {
    return internal::make_resident<made_stack>(*home, &r, recipe);
  }
};

/// A stack as a child; its failure is counted and ends nobody else, like a listener's connections.
inline child start_stack(nursery& n, made_stack::recipe f) {
  return n.start(
      child_spec(std::make_unique<stack_plan>("stack", std::move(f)).release()).ignore_failure());
}

/// A stack of a wire, and layers that do what the test says.
inline child start_probes(nursery& n, wire& w, std::vector<probe_layer::hooks> layers) {
  return start_stack(n, [&w, layers = std::move(layers)](made_stack& s) {
    s.add<memory_layer>("memory", nullptr, w);
    for (auto& h : layers) s.add<probe_layer>("probe", nullptr, h);
  });
}

/// Until nothing can run, on the virtual clock: which then stands a nanosecond later.
inline auto settled() { return sleep_for(1ns); }

} // namespace creche::testing
