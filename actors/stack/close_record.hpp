// close_record.hpp: how a stack came to its end, and who said so first. A plain value; any thread.
#pragma once

#include "actors/stack/ended_by.hpp"
#include "runtime/time/clock.hpp"

#include <string>
#include <system_error>

namespace creche {

struct close_record {
  ended_by how = ended_by::clean;
  std::error_code why;  ///< if there is more to say than `how`
  std::string layer;    ///< the name of the layer that said so
  clock_duration age{}; ///< of the stack, at that time

  /// "refused by lines after 1.5 s: the frame is larger than the limit".
  std::string to_text() const;
};

} // namespace creche
