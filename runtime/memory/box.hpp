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
  explicit box(T* object) noexcept : at_(object) {}
  box(box&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  box& operator=(box&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~box() { delete at_; }

  T* get() const noexcept { return at_; }
  T& operator*() const noexcept { return *at_; }
  T* operator->() const noexcept { return at_; }
  explicit operator bool() const noexcept { return at_ != nullptr; }
  void reset(T* object = nullptr) noexcept { delete std::exchange(at_, object); }
  [[nodiscard]] T* release() noexcept { return std::exchange(at_, nullptr); }

private:
  T* at_ = nullptr;
};

} // namespace creche::detail
