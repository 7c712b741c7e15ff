// live_edit.hpp: a stack is changed while bytes flow through it: layers between two others come and
// go, and nothing is lost, doubled or shown to the wrong one.
//
//   upward:   what was sent to the layer above the place (or to the one that goes) and was not used
//             is the new layer's, in its order: what waits in the mailbox as well
//   downward: what was written before goes past the new layer as it is, what was written after it
//             through it
//
// All layers of a stack live on one loop, and it is the stack's turn: no layer is in the middle of
// a handler. So it is a matter of moving queues and counters. Each layer does that itself: it hands
// over what it has to give up, and takes over what it gets (layer_edit.cpp). This file says which
// layer does which, and how the links change.
#pragma once

#include "actors/stack/internal/layer_actor.hpp"

#include <vector>

namespace creche::internal {

class live_edit {
public:
  /// `gone`, or nothing, is between the two; `upper` null: nothing is above. `ticket`: of the
  /// question that stopped at `upper`, or 0.
  live_edit(layer_actor& lower, layer_actor* gone, layer_actor* upper,
            std::uint32_t ticket) noexcept
      : lower_(lower), gone_(gone), upper_(upper), ticket_(ticket) {}

  /// `fresh`, lowest first, have been started, and have had no turn. Empty: something goes.
  void make(const std::vector<layer_actor*>& fresh);

  /// Frees layers that were never started.
  static void discard(const std::vector<layer_actor*>& fresh) noexcept;

private:
  void wire(const std::vector<layer_actor*>& fresh, const handover& left);

  layer_actor& lower_;
  layer_actor *gone_, *upper_;
  std::uint32_t ticket_;
};

} // namespace creche::internal
