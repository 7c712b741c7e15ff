// box.hpp: one owner of one object. std::unique_ptr would do, if <memory> did not bring every user
// of a header sixteen thousand lines.
//
// As thread safe as what it holds.
#pragma once

#include <utility>

namespace creche::detail {

template <class T> class box {
public:
  box() noexcept = default;
  explicit box(T* p) noexcept : at_(p) {}
  box(box&& o) noexcept : at_(std::exchange(o.at_, nullptr)) {}
  box& operator=(box&& o) noexcept {
    std::swap(at_, o.at_);
    return *this;
  }
  ~box() { delete at_; }

  T* get() const noexcept { return at_; }
  T& operator*() const noexcept { return *at_; }
  T* operator->() const noexcept { return at_; }
  explicit operator bool() const noexcept { return at_ != nullptr; }
  void reset(T* p = nullptr) noexcept { delete std::exchange(at_, p); }
  [[nodiscard]] T* release() noexcept { return std::exchange(at_, nullptr); }

private:
  T* at_ = nullptr;
};

} // namespace creche::detail
