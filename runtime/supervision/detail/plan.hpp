// plan.hpp: what a child_spec holds: how to make one incarnation after another.
#pragma once

#include "runtime/supervision/child_spec.hpp"
#include "runtime/supervision/detail/dangling_argument.hpp"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace creche {

namespace internal {
class child_actor;
class loop;
struct child_record;
} // namespace internal

namespace detail {

struct mail;

class plan {
public:
  static constexpr std::uint32_t default_mailbox = 1024;
  static constexpr std::uint32_t default_mailbox_units = (std::uint32_t(16) << 20) / 16; // 16 MiB

  plan() = default;
  plan(const plan&) = delete;
  virtual ~plan() = default;
  /// The body of the next incarnation; runs on the child's loop.
  virtual task<> body(ready_slot* slot) = 0;
  /// The actor of the next incarnation; the default makes a task around body().
  virtual internal::child_actor* make(internal::child_record& record);
  /// No incarnation will come: drops the callable and what it owns, on the nursery's loop and not
  /// where the last handle happens to die.
  virtual void let_go() noexcept {}

  std::string name;
  child_rules rules;
  placement where = placement::here;
  internal::loop* home = nullptr; // of the incarnations; set at the start
  bool runs_task = false;         // its actor is a task
  bool wants_ready = false;
  const type_name* answer = nullptr; // what it says when it is ready; null: not known here
  restart_mail on_restart = restart_mail::drop;
  std::uint32_t mailbox = default_mailbox;             // messages
  std::uint32_t mailbox_units = default_mailbox_units; // of weight: 16 bytes each
  std::vector<std::string> after;                      // names of siblings
  /// What a task makes of a message of CAF's; null: nothing. See caf.hpp.
  mail* (*of_caf)(void* element) = nullptr;
};

template <class F, class... A> class task_plan final : public plan {
  static_assert(std::is_nothrow_destructible_v<F> && (std::is_nothrow_destructible_v<A> && ...),
                "a child's callable and arguments must not throw from their destructors");

public:
  static constexpr bool with_ready = std::is_invocable_v<F&, ready_maker, A&...>;
  static_assert(with_ready || std::is_invocable_v<F&, A&...>,
                "the child's function does not take these arguments; it is called once per "
                "incarnation, with the spec's own copies as lvalues");

  template <class G, class... B>
  explicit task_plan(G&& body, B&&... args)
      : call_(std::in_place, std::forward<G>(body), std::forward<B>(args)...) {
    refuse_dangling<F, with_ready, A...>();
    refuse_null(call_->f);
    runs_task = true;
    wants_ready = with_ready;
    if constexpr (with_ready) answer = answer_of<F>();
  }
  task<> body([[maybe_unused]] ready_slot* slot) override {
    return std::apply(
        [&](auto&... args) {
          if constexpr (with_ready)
            return call_->f(ready_maker(slot), args...);
          else
            return call_->f(args...);
        },
        call_->args);
  }
  void let_go() noexcept override { call_.reset(); }

private:
  struct call {
    F f;
    std::tuple<A...> args;
    template <class G, class... B>
    explicit call(G&& function, B&&... values)
        : f(std::forward<G>(function)), args(std::forward<B>(values)...) {}
  };
  std::optional<call> call_;
};

} // namespace detail

template <class F, class... A>
child_spec::child_spec(std::string_view name, F body, A... args)
    : plan_(new detail::task_plan<F, A...>(std::move(body), std::move(args)...)) {
  plan_->name = name;
}

} // namespace creche
