#include "runtime/slice.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

namespace creche {

namespace detail {

namespace {

// Standard slabs that are free, a few per thread.
struct slab_cache {
  static constexpr std::size_t most = 32;
  std::vector<slab*> free;
  slab_cache() { free.reserve(most); }
  ~slab_cache() {
    for (auto* s : free) std::free(s);
  }
};

// The cache dies last: the cursors give their slabs back to it.
struct hands {
  slab_cache cache;
  slab_cursor input, output;
  static hands& mine() {
    static thread_local hands h;
    return h;
  }
};

} // namespace

slab* slab::take() {
  auto& c = hands::mine().cache;
  if (!c.free.empty()) {
    auto* s = c.free.back();
    c.free.pop_back();
    s->refs = 1;
    return s;
  }
  void* p = std::malloc(sizeof(slab) + standard);
  if (!p) throw std::bad_alloc();
  return new (p) slab{1, standard};
}

slab* slab::exact(std::uint32_t size) {
  // never the standard size: free() tells the two apart by it
  const auto n = std::max(size == standard ? size + 1 : size, 1u);
  return new (pool::take(sizeof(slab) + n)) slab{1, n};
}

void slab::free(slab* s) noexcept {
  if (s->capacity != standard) return pool::give(s, sizeof(slab) + s->capacity);
  auto& c = hands::mine().cache;
  if (c.free.size() < slab_cache::most)
    c.free.push_back(s);
  else
    std::free(s);
}

} // namespace detail

slice slice::copy_of(std::string_view text) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error("a slice holds less than 4 GiB");
  auto* s = detail::slab::exact(std::uint32_t(text.size()));
  if (!text.empty()) std::memcpy(s->data(), text.data(), text.size());
  return slice(s, s->data(), std::uint32_t(text.size()));
}

std::span<char> slab_cursor::room(std::uint32_t want) {
  if (slab_ && slab_->refs == 1) used_ = 0;
  if (!slab_ || slab_->capacity - used_ < want) {
    auto* fresh = detail::slab::take();
    if (slab_ && --slab_->refs == 0) detail::slab::free(slab_);
    slab_ = fresh;
    used_ = 0;
  }
  return {slab_->data() + used_, slab_->capacity - used_};
}

slice slab_cursor::cut(std::uint32_t n) noexcept {
  ++slab_->refs;
  slice s(slab_, slab_->data() + used_, n);
  used_ = std::min(used_ + ((n + 15) & ~15u), slab_->capacity);
  return s;
}

slab_cursor& slab_cursor::for_input() noexcept { return detail::hands::mine().input; }
slab_cursor& slab_cursor::for_output() noexcept { return detail::hands::mine().output; }

void receive_buffer::append(std::string_view more) {
  if (more.empty()) return;
  const auto n = std::uint32_t(more.size());
  // in place only if no slice sees the bytes behind the end
  if (!slab_ || slab_->refs != 1 || slab_->capacity - end_ < n) {
    const auto kept = size();
    auto* bigger = detail::slab::exact(std::max(kept + n, kept * 2));
    if (kept) std::memcpy(bigger->data(), slab_->data() + begin_, kept);
    if (slab_ && --slab_->refs == 0) detail::slab::free(slab_);
    slab_ = bigger;
    begin_ = 0;
    end_ = kept;
  }
  std::memcpy(slab_->data() + end_, more.data(), n);
  end_ += n;
}

slice receive_buffer::all() const noexcept {
  if (!slab_) return {};
  ++slab_->refs;
  return slice(slab_, slab_->data() + begin_, size());
}

void receive_buffer::consume(std::size_t n) noexcept {
  begin_ += std::uint32_t(n);
  if (begin_ == end_) clear();
}

void receive_buffer::clear() noexcept {
  if (slab_ && --slab_->refs == 0) detail::slab::free(slab_);
  slab_ = nullptr;
  begin_ = end_ = 0;
}

} // namespace creche
