// shared.hpp: a counted, immutable value. std::shared_ptr would do, if <memory> did not bring every
// user of a header sixteen thousand lines, streams and locales among them.
//
// Any thread; the value itself is const. Never null but after a move or by default.
#pragma once

#include "runtime/memory/counted.hpp"

#include <utility>

namespace creche::detail {

template <class T> class shared {
public:
  shared() noexcept = default;

  /// T may be any type that converts to `const U*` by being U or derived from it.
  template <class U, class... A> static shared make(A&&... arguments) {
    struct holder final : block {
      U value;
      explicit holder(A&&... passed) : value(std::forward<A>(passed)...) { this->what = &value; }
    };
    shared made;
    made.block_ = counted_ptr<block>(new holder(std::forward<A>(arguments)...));
    return made;
  }

  const T& operator*() const noexcept { return *block_->what; }
  const T* operator->() const noexcept { return block_->what; }
  explicit operator bool() const noexcept { return bool(block_); }

private:
  struct block : counted<block> { // its destructor is virtual: T may be incomplete where it dies
    const T* what = nullptr;
    virtual ~block() = default;
  };
  counted_ptr<block> block_;
};

} // namespace creche::detail
