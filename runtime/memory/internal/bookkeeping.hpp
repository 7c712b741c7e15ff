// bookkeeping.hpp: memory for what must not fail: what a supervisor writes down when something
// ends.
//
// A reserve is set aside. While a thread keeps books, an allocation that fails has the reserve
// given back to the heap and is tried again (a std::new_handler, in front of the program's own);
// all other code gets its std::bad_alloc. The reserve is set aside anew as soon as there is room.
// Any thread.
#pragma once

#include <cstddef>
#include <utility>

namespace creche::internal {

class bookkeeping {
public:
  static constexpr std::size_t reserve_bytes = std::size_t(256) << 10;

  bookkeeping() noexcept { ++depth_; }
  bookkeeping(const bookkeeping&) = delete;
  ~bookkeeping() {
    if (--depth_ == 0 && spent_) [[unlikely]]
      set_aside();
  }

  /// Other people's code runs in it: it gets no reserve.
  class pause {
  public:
    pause() noexcept : depth_(std::exchange(bookkeeping::depth_, 0)) {}
    pause(const pause&) = delete;
    ~pause() { bookkeeping::depth_ = depth_; }

  private:
    unsigned depth_;
  };

  /// Sets the reserve aside, and begins to watch allocations. Idempotent.
  static void begin();

private:
  static void set_aside() noexcept;
  static void out_of_memory();

  static thread_local constinit inline unsigned depth_ = 0;
  static thread_local constinit inline bool spent_ = false; // by this thread
};

} // namespace creche::internal
