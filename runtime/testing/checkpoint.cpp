#include "runtime/testing/checkpoint.hpp"

#include <stdexcept>
#include <string>

namespace creche::testing {

void detail::fail_at(std::source_location where, const char* sentence) {
  throw std::logic_error(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                         ": " + sentence);
}

} // namespace creche::testing
