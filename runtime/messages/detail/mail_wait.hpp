// mail_wait.hpp: the await of receive.
#pragma once

#include "runtime/messages/receive.hpp"
#include "runtime/task/detail/frame.hpp"

#include <cstddef>
#include <optional>
#include <variant>

namespace creche::detail {

class mail_wait : public leaf_awaiter {
public:
  const char* kind() const noexcept override { return "receive"; }
  std::string subject() const override;
  aborted abort() noexcept override { return aborted::succeeded; }
  bool on_mail() override { return find(); }
  bool again() override;

protected:
  mail_wait(task_run& run, const mail_type* const* types, std::size_t count) noexcept
      : leaf_awaiter(run), types_(types), size_(count) {}
  ~mail_wait() = default;
  bool ready() { return run_.may_go_on() && find(); }
  mail& take() noexcept; // the caller's

private:
  void begin_wait() override;
  bool find() noexcept;

  const mail_type* const* types_;
  std::size_t size_;
  mail* found_ = nullptr;
  mail* seen_ = nullptr; // the last one that was looked at, and is none of ours
};

template <class... Ts> class mail_awaiter final : public mail_wait {
public:
  using result =
      std::conditional_t<sizeof...(Ts) == 1, std::variant_alternative_t<0, std::variant<Ts...>>,
                         std::variant<Ts...>>;

  explicit mail_awaiter(task_run& run) noexcept : mail_wait(run, types, sizeof...(Ts)) {}
  bool await_ready() { return ready(); }
  result await_resume() {
    auto& taken = take();
    if constexpr (sizeof...(Ts) == 1)
      return open<Ts...>(taken);
    else
      return pick<Ts...>(taken);
  }

private:
  static constexpr const mail_type* types[] = {&mail_of<Ts>::tag...};

  template <class T> static T open(mail& message) {
    struct owner {
      mail_of<T>* letter;
      ~owner() { mail_of<T>::destroy(*letter); }
    } own{&static_cast<mail_of<T>&>(message)};
    return std::move(own.letter->value);
  }
  template <class T, class... More> static result pick(mail& message) {
    if constexpr (sizeof...(More) > 0)
      if (message.type != &mail_of<T>::tag) return pick<More...>(message);
    return result(std::in_place_type<T>, open<T>(message));
  }
};

} // namespace creche::detail
