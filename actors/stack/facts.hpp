// facts.hpp: what is known of a connection beside its bytes, by type.
//
//   struct tls_names { std::string server; };
//   facts().set(tls_names{"example.org"});              // a layer, when it has learned it
//   if (const auto* names = facts().find<tls_names>())  // a layer above it
//   if (const auto* names = c.facts().find<tls_names>()) // a task; a handler asks its request
//
// Each stack has its own, which live as long as it does, also when the layer that left one is gone.
// On the loop of the stack; one thread.
#pragma once

#include "actors/stack/endpoint.hpp"

#include <typeinfo>
#include <utility>
#include <vector>

namespace creche {

class facts {
public:
  facts() = default;
  facts(const facts&) = delete;
  facts& operator=(const facts&) = delete;
  ~facts() {
    for (const auto& known : known_) known.drop(known.value);
  }

  /// The one of exactly this type, or null. It stays where it is until the next one is set.
  template <class Fact> const Fact* find() const noexcept {
    for (const auto& known : known_)
      if (*known.type == typeid(Fact)) return static_cast<const Fact*>(known.value);
    return nullptr;
  }
  /// In place of one of the same type that was there before.
  template <class Fact> void set(Fact fact) {
    entry* place = nullptr;
    for (auto& known : known_)
      if (*known.type == typeid(Fact)) place = &known;
    if (!place) place = &known_.emplace_back(&typeid(Fact));
    auto* const value = new Fact(std::move(fact));
    place->drop(std::exchange(place->value, value));
    place->drop = [](void* dropped) { delete static_cast<Fact*>(dropped); };
  }

private:
  struct entry {
    const std::type_info* type;
    void* value = nullptr; // owned
    void (*drop)(void*) = [](void*) {};
    explicit entry(const std::type_info* its_type) noexcept : type(its_type) {}
  };
  std::vector<entry> known_; // few, so a list is as good as a table
};

/// Who talks with whom, left by a layer that knows it better than the socket does, as one that
/// reads a proxy's header: peer() and local() give it.
struct addresses {
  endpoint peer, local;
};

} // namespace creche
