// shared.hpp: a counted, immutable value. std::shared_ptr would do, if <memory> did not bring every
// user of a header sixteen thousand lines, streams and locales among them.
//
// Any thread; the value itself is const. Never null but after a move or by default.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace creche::detail {

template <class T> class shared {
public:
  shared() noexcept = default;
  shared(const shared& o) noexcept : block_(o.block_) {
    if (block_) block_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  shared(shared&& o) noexcept : block_(std::exchange(o.block_, nullptr)) {}
  shared& operator=(shared o) noexcept {
    std::swap(block_, o.block_);
    return *this;
  }
  ~shared() {
    if (block_ && block_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
      block_->destroy(block_);
  }

  /// T may be any type that converts to `const U*` by being U or derived from it.
  template <class U, class... A> static shared make(A&&... a) {
    struct holder : block {
      U value;
      explicit holder(A&&... x) : value(std::forward<A>(x)...) {
        this->what = &value;
        this->destroy = [](block* b) noexcept { delete static_cast<holder*>(b); };
      }
    };
    shared s;
    s.block_ = new holder(std::forward<A>(a)...);
    return s;
  }

  const T& operator*() const noexcept { return *block_->what; }
  const T* operator->() const noexcept { return block_->what; }
  explicit operator bool() const noexcept { return block_ != nullptr; }

private:
  struct block {
    std::atomic<std::uint32_t> refs{1};
    const T* what = nullptr;
    void (*destroy)(block*) noexcept = nullptr; // T may be incomplete where the last one goes
  };
  block* block_ = nullptr;
};

} // namespace creche::detail
