// recent_keys.hpp: a value for each of the keys that were used last, up to a limit.
//
// One more than that, and the key that was not used for longest goes, with its value. Ordered, so
// that nobody can choose keys that make it slow. Pure; any thread, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <stdexcept>
#include <utility>

namespace creche::rate {

template <class Value> class recent_keys {
public:
  using key = std::uint64_t;

  /// Throws std::invalid_argument for none.
  explicit recent_keys(std::size_t most) : most_(most) {
    if (most_ == 0) throw std::invalid_argument("there is at least one key");
  }
  recent_keys(const recent_keys&) = delete;

  /// The value of that key, which is the one used last from now on; a new one is a copy of `fresh`.
  Value& use(key used, const Value& fresh) {
    const auto found = places_.find(used);
    if (found != places_.end()) {
      by_use_.splice(by_use_.begin(), by_use_, found->second);
      return found->second->second;
    }
    by_use_.emplace_front(used, fresh);
    try {
      places_.emplace(used, by_use_.begin());
    } catch (...) {
      by_use_.pop_front();
      throw;
    }
    if (places_.size() > most_) {
      places_.erase(by_use_.back().first);
      by_use_.pop_back();
    }
    return by_use_.front().second;
  }
  /// Null if it has gone. Is no use of it.
  Value* find(key wanted) noexcept {
    const auto found = places_.find(wanted);
    return found == places_.end() ? nullptr : &found->second->second;
  }
  std::size_t size() const noexcept { return places_.size(); }

private:
  using entries = std::list<std::pair<key, Value>>;
  const std::size_t most_;
  entries by_use_; // the one used last is first
  std::map<key, typename entries::iterator> places_;
};

} // namespace creche::rate
