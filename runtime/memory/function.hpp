// function.hpp: any callable of one shape, moved but never copied. std::function would do, if
// <functional> did not bring every user of a header twelve thousand lines.
//
// As thread safe as what it holds.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace creche::detail {

template <class> class function;

/// For a static_assert in a template that must not be used.
template <class...> inline constexpr bool never = false;

template <class R, class... A> class function<R(A...)> {
public:
  function() noexcept = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, A...>)
  function(F&& callable) : target_(new holder<std::decay_t<F>>(std::forward<F>(callable))) {}
  function(function&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  function& operator=(function&& other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~function() { delete target_; }

  explicit operator bool() const noexcept { return target_ != nullptr; }
  /// REQUIRES: it holds something.
  R operator()(A... arguments) const { return target_->call(std::forward<A>(arguments)...); }

private:
  struct target {
    target() = default;
    target(const target&) = delete;
    virtual ~target() = default;
    virtual R call(A... arguments) = 0;
  };
  template <class F> struct holder final : target {
    F f;
    template <class G> explicit holder(G&& callable) : f(std::forward<G>(callable)) {}
    R call(A... arguments) override { return f(std::forward<A>(arguments)...); }
  };
  target* target_ = nullptr;
};

} // namespace creche::detail
