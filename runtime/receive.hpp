// receive.hpp: a task takes a message out of its mailbox.
//
//     auto o = co_await receive<order>();            // an order
//     auto m = co_await receive<order, refund>();    // std::variant<order, refund>, the older one
//
// Selective: the oldest message of these types is taken, and all others stay, in order. What
// child::send puts there is bounded (child_spec::mailbox_limit) and belongs to one incarnation of
// the child. A cancel loses no message: it is taken in the step that receives it.
// Own loop only.
#pragma once

#include "runtime/frame.hpp"
#include "runtime/mail.hpp"

#include <cstddef>
#include <optional>
#include <variant>

namespace creche {

namespace detail {

class mail_wait : leaf {
public:
  const char* kind() const noexcept override { return "receive"; }
  aborted abort() noexcept override { return aborted::succeeded; }
  bool on_mail() override { return find(); }

protected:
  mail_wait(task_run& r, const mail_type* const* types, std::size_t n) noexcept
      : run_(r), types_(types), size_(n) {}
  ~mail_wait() = default;
  bool ready() { return run_.may_go_on() && find(); }
  void suspend();
  mail& take() noexcept; // the caller's

private:
  bool find() noexcept;

  task_run& run_;
  const mail_type* const* types_;
  std::size_t size_;
  mail* found_ = nullptr;
  mail* seen_ = nullptr; // the last one that was looked at, and is none of ours
};

template <class... Ts> class mail_awaiter final : mail_wait {
public:
  using result =
      std::conditional_t<sizeof...(Ts) == 1, std::variant_alternative_t<0, std::variant<Ts...>>,
                         std::variant<Ts...>>;

  explicit mail_awaiter(task_run& r) noexcept : mail_wait(r, types, sizeof...(Ts)) {}
  bool await_ready() { return ready(); }
  void await_suspend(std::coroutine_handle<>) { suspend(); }
  result await_resume() {
    auto& m = take();
    if constexpr (sizeof...(Ts) == 1)
      return open<Ts...>(m);
    else
      return pick<Ts...>(m);
  }

private:
  static constexpr const mail_type* types[] = {&mail_of<Ts>::tag...};

  template <class T> static T open(mail& m) {
    struct owner {
      mail_of<T>* letter;
      ~owner() { mail_of<T>::destroy(*letter); }
    } own{&static_cast<mail_of<T>&>(m)};
    return std::move(own.letter->value);
  }
  template <class T, class... More> static result pick(mail& m) {
    if constexpr (sizeof...(More) > 0)
      if (m.type != &mail_of<T>::tag) return pick<More...>(m);
    return result(std::in_place_type<T>, open<T>(m));
  }
};

template <class... Ts> class mail_op {
public:
  mail_op() noexcept {}
  mail_awaiter<Ts...> bind(task_run& r) const noexcept { return mail_awaiter<Ts...>(r); }
};

} // namespace detail

/// Waits for a message of one of these types, and gives the oldest. Checkpoint.
template <class... Ts> [[nodiscard]] detail::mail_op<Ts...> receive() noexcept {
  static_assert(sizeof...(Ts) > 0, "receive what? receive<order, refund>()");
  static_assert((std::is_same_v<Ts, std::decay_t<Ts>> && ...),
                "a message has a plain type: no reference, no const");
  return {};
}

} // namespace creche
