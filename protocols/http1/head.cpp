#include "protocols/http1/head.hpp"

#include "protocols/http1/grammar.hpp"

#include <type_traits>

namespace creche::http1 {

static_assert(std::is_trivially_copyable_v<request_head> && sizeof(request_head) <= 48);

field_lines::iterator& field_lines::iterator::operator++() {
  rest_.remove_prefix(line_size_);
  read();
  return *this;
}

field_lines::iterator field_lines::iterator::operator++(int) {
  const auto before = *this;
  ++*this;
  return before;
}

// The gate saw a colon in every line and no CR but at its end, so nothing can go astray here.
void field_lines::iterator::read() {
  if (rest_.front() == '\r') return;
  const auto colon = rest_.find(':');
  const auto cr = rest_.find('\r', colon);
  now_ = {rest_.substr(0, colon), trimmed(rest_.substr(colon + 1, cr - colon - 1))};
  line_size_ = cr + 2;
}

std::string_view request_head::header(std::string_view name, std::string_view absent) const {
  for (const auto& each : fields())
    if (same_name(each.name, name)) return each.value;
  return absent;
}

bool request_head::has_header(std::string_view name) const {
  return header(name).data() != nullptr; // an empty value is a place in the head too
}

} // namespace creche::http1
