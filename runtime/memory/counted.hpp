// counted.hpp: an object that counts the references to it and goes with the last one.
//
// The count is part of the object and begins at 1: the maker of the object has that reference.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace creche::detail {

/// Which threads may copy and drop references.
enum class counted_on : std::uint8_t { any_thread, one_thread };

/// The base of a counted T. The last release() calls T's dispose(), or deletes the object if T has
/// none.
template <class T, counted_on Where = counted_on::any_thread> class counted {
  static constexpr bool crosses_threads = Where == counted_on::any_thread;

public:
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

  void add_ref() noexcept {
    if constexpr (crosses_threads)
      references_.fetch_add(1, std::memory_order_relaxed);
    else
      ++references_;
  }
  /// The caller gives up one reference.
  void release() noexcept {
    if (!gave_up_last()) return;
    if constexpr (requires(T& object) { object.dispose(); })
      static_cast<T*>(this)->dispose();
    else
      delete static_cast<T*>(this);
  }
  /// The caller has the only reference: nobody else can make another.
  bool has_one_reference() const noexcept {
    if constexpr (crosses_threads)
      return references_.load(std::memory_order_acquire) == 1;
    else
      return references_ == 1;
  }

protected:
  counted() noexcept = default;
  ~counted() = default;
  /// Gives up one reference. True: it was the last, and the caller disposes of the object.
  bool gave_up_last() noexcept {
    if constexpr (crosses_threads) // the only reference needs no locked instruction
      return has_one_reference() || references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    else
      return --references_ == 0;
  }

private:
  std::conditional_t<crosses_threads, std::atomic<std::uint32_t>, std::uint32_t> references_{1};
};

/// One reference to a counted object, or none.
template <class T> class counted_ptr {
public:
  counted_ptr() noexcept = default;
  /// Takes over one reference.
  explicit counted_ptr(T* object) noexcept : object_(object) {}
  /// Adds a reference.
  static counted_ptr share(T* object) noexcept {
    if (object) object->add_ref();
    return counted_ptr(object);
  }
  counted_ptr(const counted_ptr& other) noexcept : object_(other.object_) {
    if (object_) object_->add_ref();
  }
  counted_ptr(counted_ptr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  counted_ptr& operator=(counted_ptr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~counted_ptr() {
    if (object_) object_->release();
  }

  T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  /// The reference is the caller's now.
  [[nodiscard]] T* detach() noexcept { return std::exchange(object_, nullptr); }

private:
  T* object_ = nullptr;
};

} // namespace creche::detail
