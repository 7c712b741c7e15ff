#include "protocols/http1/head_notes.hpp"

#include "protocols/http1/grammar.hpp"

#include <charconv>

namespace creche::http1 {

namespace {

// RFC 9112 §6.1, §6.3: the only coding we undo is chunked, once, and it must be the last.
errc check_coding(std::string_view value) {
  if (same_name(value, "chunked")) return errc::none;
  if (value.empty() || value.back() == ',') return errc::bad_transfer_coding;
  bool unknown = false;
  while (!value.empty()) {
    const auto coding = next_element(value);
    if (!is_token(coding)) return errc::bad_transfer_coding;
    const bool chunked = same_name(coding, "chunked");
    if (chunked && !value.empty()) return errc::bad_transfer_coding;
    unknown = unknown || !chunked;
  }
  return unknown ? errc::unknown_transfer_coding : errc::bad_transfer_coding;
}

errc read_length(std::string_view value, std::uint64_t& out) {
  const auto* const first = value.data();
  const auto* const end = first + value.size();
  const auto [stop, error] = std::from_chars(first, end, out);
  return error == std::errc{} && stop == end ? errc::none : errc::bad_content_length;
}

// RFC 9112 §5.1 allows it; but there are servers to which such a tab is part of the value. Where
// that decides which host is meant, or where the request ends, it must not be read in two ways.
bool has_tab_around(std::string_view whole, std::string_view value) {
  if (whole.size() == value.size()) return false;
  const auto before = whole.substr(0, std::size_t(value.data() - whole.data()));
  const auto behind = whole.substr(before.size() + value.size());
  return before.find('\t') != before.npos || behind.find('\t') != behind.npos;
}

// Bit 5 is what parts the cases of a letter; no other character of a token becomes one of these.
template <std::size_t N> bool is(const char* name, const char (&lower)[N]) {
  unsigned difference = 0;
  for (std::size_t i = 0; i + 1 < N; ++i) difference |= unsigned((name[i] | 0x20) ^ lower[i]);
  return difference == 0;
}

} // namespace

head_notes::known head_notes::known_of(const char* name, const char* end) noexcept {
  switch (end - name) {
  case 4: return is(name, "host") ? known::host : known::none;
  case 6: return is(name, "expect") ? known::expect : known::none;
  case 10: return is(name, "connection") ? known::connection : known::none;
  case 14: return is(name, "content-length") ? known::content_length : known::none;
  case 17: return is(name, "transfer-encoding") ? known::coding : known::none;
  default: return known::none;
  }
}

void head_notes::field(known which, std::string_view whole) noexcept {
  if (error_ != errc::none) return;
  const auto value = trimmed(whole);
  const bool tabs = !value.empty() && has_tab_around(whole, value);
  switch (which) {
  case known::host: error_ = host(value, tabs); break;
  case known::coding: error_ = coding(value, tabs); break;
  case known::content_length: error_ = length(value, tabs); break;
  case known::connection: error_ = connection(value); break;
  case known::expect: error_ = expect(value); break;
  case known::none: break;
  }
}

errc head_notes::host(std::string_view value, bool tabs) noexcept {
  if (host_) return errc::host_twice;
  if (tabs || !is_host(value)) return errc::bad_host;
  host_ = true;
  out_->host_ = offset(value);
  out_->host_size_ = static_cast<std::uint16_t>(value.size());
  return errc::none;
}

errc head_notes::coding(std::string_view value, bool tabs) noexcept {
  if (length_) return errc::length_and_coding;
  if (coding_) return errc::bad_transfer_coding;
  if (out_->minor_ == 0) return errc::transfer_coding_in_1_0;
  coding_ = true;
  if (tabs) return errc::bad_transfer_coding;
  out_->body_ = body_kind::chunked;
  return check_coding(value);
}

errc head_notes::length(std::string_view value, bool tabs) noexcept {
  if (coding_) return errc::length_and_coding;
  if (length_) return errc::content_length_twice;
  length_ = true;
  if (tabs) return errc::bad_content_length;
  const errc error = read_length(value, out_->content_length_);
  out_->body_ = out_->content_length_ == 0 ? body_kind::none : body_kind::fixed;
  return error;
}

errc head_notes::connection(std::string_view value) noexcept {
  while (!value.empty()) {
    const auto option = next_element(value);
    if (option.empty()) continue; // RFC 9110 §5.6.1.2
    if (!is_token(option)) return errc::bad_connection;
    close_ = close_ || same_name(option, "close");
    stay_ = stay_ || same_name(option, "keep-alive");
  }
  return errc::none;
}

// RFC 9110 §10.1.1: to be ignored in HTTP/1.0; without content there is nothing to wait for.
errc head_notes::expect(std::string_view value) noexcept {
  if (out_->minor_ == 0) return errc::none;
  out_->expects_continue_ = true;
  return same_name(value, "100-continue") ? errc::none : errc::unknown_expectation;
}

// RFC 9112 §3.2.2, §3.3: a target with an authority says which host is meant.
void head_notes::take_authority() noexcept {
  const auto target = out_->target();
  const auto authority = authority_of(out_->method(), target);
  if (authority.empty()) return;
  out_->host_ = offset(authority);
  out_->host_size_ = static_cast<std::uint16_t>(authority.size());
}

errc head_notes::finish(std::uint32_t size, std::uint16_t fields, const limits& bounds) noexcept {
  out_->size_ = size;
  out_->field_count_ = fields;
  if (!is_target(out_->method(), out_->target())) return errc::bad_target;
  if (error_ != errc::none) return error_;
  if (!host_ && out_->minor_ == 1) return errc::host_missing;
  if (out_->content_length_ > bounds.body) return errc::body_too_large;
  if (out_->body_ == body_kind::none) out_->expects_continue_ = false;
  out_->keep_alive_ = !close_ && (out_->minor_ == 1 || stay_);
  if (out_->target().front() != '/') take_authority();
  return errc::none;
}

} // namespace creche::http1
