// slice.hpp: bytes that travel: counted views into slabs of the loop's memory.
//
// A slice keeps its slab alive; the count is plain, so a slice stays on its loop's thread. Before a
// few bytes are kept for long, call keep_cheaply(), or a slab of 64 KiB lives on for them. A slice
// that goes to another loop is copied first (private_copy).
#pragma once

#include "runtime/memory/counted.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace creche {

namespace detail {

/// A counted block of memory: this header, then the bytes.
struct slab : counted<slab, counted_on::one_thread> {
  const std::uint32_t capacity;

  explicit slab(std::uint32_t bytes) noexcept : capacity(bytes) {}
  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }

  static constexpr std::uint32_t standard = 64 * 1024 - 8;
  /// Of `standard` bytes, from the thread's cache.
  static slab* take();
  /// Of just this size.
  static slab* exact(std::uint32_t size);
  void dispose() noexcept;
};
using slab_ptr = counted_ptr<slab>;

} // namespace detail

class slice {
public:
  slice() noexcept = default;
  slice(const slice&) noexcept = default;
  slice(slice&& other) noexcept
      : slab_(std::move(other.slab_)), size_(std::exchange(other.size_, 0)), at_(other.at_) {}
  slice& operator=(slice other) noexcept {
    std::swap(slab_, other.slab_);
    std::swap(at_, other.at_);
    std::swap(size_, other.size_);
    return *this;
  }

  /// Bytes of static storage: nothing is counted.
  static slice of_static(std::string_view text) noexcept {
    return slice(detail::slab_ptr(), text.data(), std::uint32_t(text.size()));
  }
  /// A slice of its own memory. Throws std::length_error from 4 GiB on.
  static slice copy_of(std::string_view text);

  std::string_view view() const noexcept { return {at_, size_}; }
  std::span<const std::byte> bytes() const noexcept {
    return {reinterpret_cast<const std::byte*>(at_), size_};
  }
  std::uint32_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  /// Without the first `n` bytes. REQUIRES: n <= size().
  void skip(std::size_t n) noexcept {
    at_ += n;
    size_ -= std::uint32_t(n);
  }
  /// A part of it. REQUIRES: from + n <= size().
  slice part(std::size_t from, std::size_t n) const noexcept {
    return slice(slab_, at_ + from, std::uint32_t(n));
  }
  /// Before it is kept across a turn: copied, if it would pin more than `ratio` times its size, and
  /// there is memory for the copy.
  void keep_cheaply(unsigned ratio = 8) noexcept {
    if (slab_ && slab_->capacity > std::uint64_t(size_) * ratio) copy_small();
  }
  /// Nobody else counts on the same slab: may be handed to another thread.
  slice private_copy() const { return copy_of(view()); }

private:
  friend class slab_cursor;
  friend class receive_buffer;
  void copy_small() noexcept;
  slice(detail::slab_ptr slab, const char* at, std::uint32_t size) noexcept
      : slab_(std::move(slab)), size_(size), at_(at) {}

  // Not two pointers side by side: in a coroutine's loop that assigns to an optional<slice>, g++
  // 12.2 -O2 joins them into a vector and uses the values of the round before (its SLP vectorizer).
  detail::slab_ptr slab_;
  std::uint32_t size_ = 0;
  const char* at_ = nullptr;
};

/// The slab at hand: room to write into, from which slices are cut. Starts over when nobody holds a
/// slice of it.
class slab_cursor {
public:
  slab_cursor() noexcept = default;
  slab_cursor(const slab_cursor&) = delete;

  /// Room for at least `want` bytes. REQUIRES: want <= slab::standard.
  std::span<char> room(std::uint32_t want);
  /// The first `n` bytes of the room, which were written.
  slice cut(std::uint32_t n) noexcept;

  /// Of this thread's loop: for what is read, and for what is written.
  static slab_cursor& for_input() noexcept;
  static slab_cursor& for_output() noexcept;

private:
  detail::slab_ptr slab_;
  std::uint32_t used_ = 0;
};

/// Bytes that came in pieces, held together until they can be used. Holds no memory while empty.
class receive_buffer {
public:
  receive_buffer() noexcept = default;
  receive_buffer(const receive_buffer&) = delete;

  void append(std::string_view more);
  /// All of it, as a slice; valid for good.
  slice all() const noexcept;
  void consume(std::size_t n) noexcept;
  void clear() noexcept;
  std::uint32_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }

private:
  detail::slab_ptr slab_;
  std::uint32_t begin_ = 0, end_ = 0;
};

} // namespace creche
