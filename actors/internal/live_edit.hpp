// live_edit.hpp: a stack is changed while bytes flow through it: layers between two others come and
// go, and nothing is lost, doubled or shown to the wrong one.
//
//   upward:   what was sent to the layer above the place (or to the one that goes) and was not used
//             is the new layer's, in its order: what waits in the mailbox as well
//   downward: what was written before goes past the new layer as it is, what was written after it
//             through it
//
// All layers of a stack live on one loop, and it is the stack's turn: nobody is in the middle of a
// handler. So it is a matter of moving queues and counters.
#pragma once

#include "actors/internal/layer_actor.hpp"

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

  /// It looks again at what waits in it.
  static void kick(layer_actor& l);
  static void unpark(layer_actor& l);
  /// Hands an edit's question to the layer below.
  static void pass_edit(layer_actor& from, std::uint32_t ticket);
  /// Frees layers that were never started.
  static void discard(const std::vector<layer_actor*>& fresh) noexcept;

private:
  struct leftovers {
    message_queue facts;  // were opened, not used
    letter_list unopened; // facts as well
    message_queue sent, orders;
    letter_list unopened_orders;
    bool established = false, eof = false;
  };
  void gather_facts(leftovers& l);
  void gather_orders(leftovers& l);
  bool is_ours(const message& m) const noexcept;
  void wire(const std::vector<layer_actor*>& fresh, const leftovers& l);
  std::uint32_t under_way_up() noexcept;
  void count_unsent_anew(std::uint32_t was) noexcept;
  void hand_out_facts(layer_actor& to, bool is_fresh, leftovers& l);
  void hand_out_orders(const std::vector<layer_actor*>& fresh, leftovers& l);
  static void connect(layer_actor& lower, layer_actor& upper, link_ref link);
  static void cut(resident*& address) noexcept;
  static void owe(layer_actor& l, message& m);
  static void sift(layer_actor& from, bool facts, letter_list& to);
  static void hand_on(letter_list& letters, layer_actor& to);

  layer_actor& lower_;
  layer_actor *gone_, *upper_;
  std::uint32_t ticket_;
};

} // namespace creche::internal
