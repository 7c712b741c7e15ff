#include "runtime/memory/slice.hpp"

#include "runtime/memory/pool.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

namespace creche {

namespace detail {

namespace {

// The memory of free standard slabs, a few per thread.
struct slab_cache {
  static constexpr std::size_t most = 32;
  std::vector<void*> free;
  slab_cache() { free.reserve(most); }
  ~slab_cache() {
    for (auto* memory : free) ::operator delete(memory);
  }
};

// The cache dies last: the cursors give their slabs back to it.
struct hands {
  slab_cache cache;
  slab_cursor input, output;
  static hands& mine() {
    static thread_local hands of_thread;
    return of_thread;
  }
};

} // namespace

slab* slab::take() {
  auto& cache = hands::mine().cache;
  void* memory;
  if (cache.free.empty()) {
    memory = ::operator new(sizeof(slab) + standard);
  } else {
    memory = cache.free.back();
    cache.free.pop_back();
  }
  return new (memory) slab(standard);
}

slab* slab::exact(std::uint32_t size) {
  // never the standard size: dispose() tells the two apart by it
  const auto bytes = std::max(size == standard ? size + 1 : size, 1u);
  return new (pool::take(sizeof(slab) + bytes)) slab(bytes);
}

void slab::dispose() noexcept {
  const auto bytes = capacity;
  this->~slab();
  if (bytes != standard) return pool::give(this, sizeof(slab) + bytes);
  auto& cache = hands::mine().cache;
  if (cache.free.size() < slab_cache::most && !pool::bypassed())
    cache.free.push_back(this);
  else
    ::operator delete(this);
}

} // namespace detail

slice slice::copy_of(std::string_view text) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error("a slice holds less than 4 GiB");
  detail::slab_ptr copy(detail::slab::exact(std::uint32_t(text.size())));
  const auto* at = copy->data();
  if (!text.empty()) std::memcpy(copy->data(), text.data(), text.size());
  return slice(std::move(copy), at, std::uint32_t(text.size()));
}

void slice::copy_small() noexcept {
  try {
    *this = copy_of(view());
  } catch (const std::bad_alloc&) { // it pins more than it needs
  }
}

std::span<char> slab_cursor::room(std::uint32_t want) {
  if (slab_ && slab_->has_one_reference()) used_ = 0;
  if (!slab_ || slab_->capacity - used_ < want) {
    slab_ = detail::slab_ptr(detail::slab::take());
    used_ = 0;
  }
  return {slab_->data() + used_, slab_->capacity - used_};
}

slice slab_cursor::cut(std::uint32_t n) noexcept {
  slice written(slab_, slab_->data() + used_, n);
  used_ = std::min(used_ + ((n + 15) & ~15u), slab_->capacity);
  return written;
}

slab_cursor& slab_cursor::for_input() noexcept { return detail::hands::mine().input; }
slab_cursor& slab_cursor::for_output() noexcept { return detail::hands::mine().output; }

void receive_buffer::append(std::string_view more) {
  if (more.empty()) return;
  const auto added = std::uint32_t(more.size());
  // in place only if no slice sees the bytes behind the end
  if (!slab_ || !slab_->has_one_reference() || slab_->capacity - end_ < added) {
    const auto kept = size();
    detail::slab_ptr bigger(detail::slab::exact(std::max(kept + added, kept * 2)));
    if (kept) std::memcpy(bigger->data(), slab_->data() + begin_, kept);
    slab_ = std::move(bigger);
    begin_ = 0;
    end_ = kept;
  }
  std::memcpy(slab_->data() + end_, more.data(), added);
  end_ += added;
}

slice receive_buffer::all() const noexcept {
  if (!slab_) return {};
  return slice(slab_, slab_->data() + begin_, size());
}

void receive_buffer::consume(std::size_t n) noexcept {
  begin_ += std::uint32_t(n);
  if (begin_ == end_) clear();
}

void receive_buffer::clear() noexcept {
  slab_ = detail::slab_ptr();
  begin_ = end_ = 0;
}

} // namespace creche
