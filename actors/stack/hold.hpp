// hold.hpp: a pause with an owner's label, for as long as it lives.
//
// Holds are counted and cannot underflow or leak. Taking one is seen before the next delivery;
// releasing the last one is marked, and acted upon in a later turn, never from the destructor.
// A hold belongs to the loop of the layer that it holds: taken, moved or released on another
// thread, it ends the program with a sentence (SIGABRT) as long as that layer lives.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

namespace creche {

class hold;

/// The holds on one direction of one layer.
class holds {
public:
  holds() noexcept = default;
  holds(const holds&) = delete;
  virtual ~holds();

  bool any() const noexcept { return first_ != nullptr; }
  std::uint32_t count() const noexcept { return count_; }
  /// The label of the latest hold, or "". Any thread may look, as long as this lives.
  std::string_view blame() const noexcept { return blame_.load(std::memory_order_relaxed); }

protected:
  friend class hold;
  /// The last hold went. Marks only.
  virtual void released() noexcept {}
  /// A hold with the label `why` is about to be taken, moved or released on this thread. A holder
  /// that belongs to one thread does not return on another.
  virtual void must_be_home(const char* why) const noexcept { (void)why; }
  /// A dead layer's holds vanish, and nobody is told.
  void forget_holds() noexcept;

private:
  void publish() noexcept;
  hold* first_ = nullptr;
  std::atomic<const char*> blame_{""};
  std::uint32_t count_ = 0;
};

class [[nodiscard]] hold {
public:
  hold() noexcept = default;
  /// `why` is static text: the tree shows it.
  hold(holds& whom, const char* why) noexcept : whom_(&whom), why_(why) {
    whom.must_be_home(why);
    link();
  }
  hold(hold&& o) noexcept { take(o); }
  hold& operator=(hold&& o) noexcept {
    if (this != &o) {
      release();
      take(o);
    }
    return *this;
  }
  ~hold() { release(); }

  explicit operator bool() const noexcept { return whom_ != nullptr; }
  std::string_view why() const noexcept { return why_; }
  void release() noexcept;

private:
  friend class holds;
  void link() noexcept;
  void take(hold& o) noexcept;
  void unlink() noexcept;

  holds* whom_ = nullptr;
  hold* prev_ = nullptr;
  hold* next_ = nullptr;
  const char* why_ = "";
};

} // namespace creche
