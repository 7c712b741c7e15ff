// confirmed_watch.hpp: questions that wait until the peer's kernel has confirmed what was sent.
//
// Nobody tells when that is so. So it is looked at: often first, then less, by a timer that exists
// only while a question waits.
#pragma once

#include "actors/stack/internal/layer_actor.hpp"

#include <deque>

namespace creche::internal {

struct confirmed_watch : timer {
  struct question {
    std::uint64_t sent; // all up to this byte
    message_ptr letter;
  };
  layer_actor& asked;
  std::deque<question> waiting; // in their order
  clock_duration pause = first_pause;
  bool due_now = false;
  static constexpr clock_duration first_pause = std::chrono::milliseconds(1),
                                  longest_pause = std::chrono::milliseconds(64);

  /// `wake(asked)` when it is time to look.
  confirmed_watch(layer_actor& layer, void (*wake)(layer_actor&)) : asked(layer), wake_(wake) {
    fire = [](timer& own) {
      auto& watch = static_cast<confirmed_watch&>(own);
      watch.due_now = true;
      watch.wake_(watch.asked);
    };
  }

private:
  void (*wake_)(layer_actor&);
};

} // namespace creche::internal
