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

template <class R, class... A> class function<R(A...)> {
public:
  function() noexcept = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, A...>)
  function(F&& f) : target_(new holder<std::decay_t<F>>(std::forward<F>(f))) {}
  function(function&& o) noexcept : target_(std::exchange(o.target_, nullptr)) {}
  function& operator=(function&& o) noexcept {
    std::swap(target_, o.target_);
    return *this;
  }
  ~function() { delete target_; }

  explicit operator bool() const noexcept { return target_ != nullptr; }
  /// REQUIRES: it holds something.
  R operator()(A... a) const { return target_->call(std::forward<A>(a)...); }

private:
  struct target {
    target() = default;
    target(const target&) = delete;
    virtual ~target() = default;
    virtual R call(A... a) = 0;
  };
  template <class F> struct holder final : target {
    F f;
    template <class G> explicit holder(G&& g) : f(std::forward<G>(g)) {}
    R call(A... a) override { return f(std::forward<A>(a)...); }
  };
  target* target_ = nullptr;
};

} // namespace creche::detail
