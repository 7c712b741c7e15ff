// handover.hpp: what passes from layers to layers when a stack is changed while bytes flow.
#pragma once

#include "actors/stack/internal/layer_message.hpp"
#include "actors/stack/internal/link.hpp"

namespace creche::internal {

/// What a layer has to do with an edit.
enum class edit_role : std::uint8_t {
  goes,
  above_one_that_goes,
  above_the_place,   // nobody goes: new ones come between it and the layer below
  lowest_new,        // takes the facts, and what was sent down already
  highest_new,       // takes the orders that the one that goes was not given
  above_what_is_new, // a stack of one new layer has that as its lowest and its highest
  above_the_gap,     // nothing new came: it takes all
};

/// The first ones were opened and are not used; the unopened ones still lay in a mailbox.
struct handover {
  message_queue facts;         // from below
  letter_list unopened_facts;  //
  message_queue sent;          // orders that were carried out, but for want of room
  message_queue orders;        // that were not looked at
  letter_list unopened_orders; //
  bool established = false, eof = false;
  link_ref upper_link; // of the one that goes, to the layer above it
};

/// How many messages with this verb are in it.
inline std::uint32_t count_of(verb what, const letter_list& letters) noexcept {
  std::uint32_t n = 0;
  for (const auto* l = letters.oldest(); l; l = letters.after(*l))
    n += l->kind == &message::letters && static_cast<const message*>(l)->verb == what;
  return n;
}

} // namespace creche::internal
