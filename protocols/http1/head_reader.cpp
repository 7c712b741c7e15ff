#include "protocols/http1/head_reader.hpp"

#include "protocols/http1/head_notes.hpp"

namespace creche::http1 {

std::uint32_t head_reader::take_lead() noexcept {
  const auto lead = gate_.lead();
  gate_.drop_lead();
  return lead;
}

bool head_reader::is_head(std::string_view in) const noexcept {
  return gate_.past_method() && in.substr(gate_.lead()).starts_with("HEAD ");
}

// A head that came in pieces is passed a second time, once, when it is complete: what its parts
// are is not kept between two looks.
gate::verdict head_reader::read(std::string_view in, const limits& bounds,
                                request_head& out) noexcept {
  const bool from_start = gate_.size() == 0;
  request_head found;
  head_notes notes(found, in);
  auto verdict = gate_.scan(in, bounds, notes);
  if (verdict == gate::verdict::refused) error_ = gate_.error();
  if (verdict != gate::verdict::complete) return verdict;
  if (!from_start) {
    gate again(bounds);
    notes = head_notes(found, in);
    again.scan(in, bounds, notes);
  }
  error_ = notes.finish(gate_.size(), gate_.field_count(), bounds);
  if (error_ != errc::none) return gate::verdict::refused;
  out = found;
  return verdict;
}

} // namespace creche::http1
