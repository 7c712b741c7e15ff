// stack_difference.hpp: what turns one stack into another, an edit at a time.
//
//     tcp(127.0.0.1:25)/-idle(read=60s)/+tap(calls.pcap)/lines(crlf)
//
// Pure: any thread. connection::change_to carries it out on a stack that is open.
#pragma once

#include "actors/stack/stack.hpp"

namespace creche {

/// Two layers are the same if their texts are; those without a text if one was copied from the
/// other.
class stack_difference {
public:
  enum class edit : std::uint8_t { insert, replace, remove };
  struct step {
    edit what;
    /// In the stack as it is by then, from the transport (0): the layer that goes, or the place
    /// that the lowest new one gets.
    std::size_t at;
    any_stack add; ///< What comes; empty for remove.
  };

  /// With the fewest steps; a stack that fits stands after each. The transport stays. Throws
  /// std::invalid_argument, with a sentence, if there is no such way.
  stack_difference(const any_stack& from, const any_stack& to);

  bool none() const noexcept { return steps_.empty(); }
  const std::vector<step>& steps() const noexcept { return steps_; }
  /// The layers of both, lowest first, with '-' before those that go, '+' before those that come.
  const std::string& to_text() const noexcept { return text_; }

private:
  void keep(const any_stack& layer);
  void say(const char* sign, const any_stack& layers);

  std::vector<step> steps_;
  std::string text_;
};

} // namespace creche
