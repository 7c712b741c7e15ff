// gate.hpp: the strict pass over the bytes of a request head.
//
// What passes is unambiguous: one request line and field lines `token ":" value`, each ended by
// CRLF, with no CR, LF, NUL or other control anywhere else (RFC 9112 §2.2, §3, §5). A verdict does
// not depend on how the bytes were split.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/http1/errc.hpp"
#include "protocols/http1/limits.hpp"

#include <cstdint>
#include <string_view>

namespace creche::http1 {

class head_notes;

class gate {
public:
  enum class verdict : std::uint8_t {
    incomplete, ///< so far it may become a head
    complete,   ///< size() bytes are a head, an empty line before it included
    refused,    ///< error() says why; no later byte changes that
  };

  explicit gate(const limits& bounds) noexcept : limit_(bounds.request_line) {}

  /// Scans on where the last call stopped: time is linear in the head however it arrives. Parts of
  /// the head are told to `notes` as they are passed; they are worth something only if one call
  /// passes all of it. REQUIRES: `in` begins with the bytes of the last call; the last verdict was
  /// `incomplete`.
  verdict scan(std::string_view in, const limits& bounds, head_notes& notes) noexcept;

  /// After `refused`: what is wrong.
  errc error() const noexcept { return error_; }

  /// How many bytes were judged; after `complete`, the size of the head.
  std::uint32_t size() const noexcept { return pos_; }

  /// Field lines begun so far.
  std::uint16_t field_count() const noexcept { return count_; }

  /// Size of the empty line before the head: 0 or 2. Known once it was judged.
  std::uint32_t lead() const noexcept { return lead_; }

  /// Nothing of a request line was seen.
  bool at_start() const noexcept { return pos_ == lead_ && phase_ <= phase::method; }

  /// The method and the space behind it were seen.
  bool past_method() const noexcept { return phase_ > phase::method; }

  /// The caller dropped the empty line at the front of its bytes: lead() is 0 from now on.
  void drop_lead() noexcept;

private:
  enum class phase : std::uint8_t {
    blank,
    blank_lf,
    method,
    target,
    version,
    line_cr,
    line_lf,
    field,
    name,
    value,
    value_lf,
    last_lf,
  };

  bool pass_method(const char* base, const char*& at, const char* end, head_notes& notes) noexcept;
  bool pass_target(const char*& at, const char* end, head_notes& notes) noexcept;
  verdict request_line(std::string_view in, const limits& bounds, head_notes& notes) noexcept;
  verdict fields(std::string_view in, const limits& bounds, head_notes& notes) noexcept;
  verdict line_over(const char* end, std::string_view in, const limits& bounds,
                    head_notes& notes) noexcept;
  verdict refuse(errc error) noexcept;

  std::uint32_t pos_ = 0;   // judged so far
  std::uint32_t limit_;     // no byte of this part of the head may stand here or beyond
  std::uint16_t count_ = 0; // field lines begun
  phase phase_ = phase::blank;
  std::uint8_t version_seen_ = 0; // bytes of "HTTP/x.y"
  std::uint8_t lead_ = 0;
  errc error_ = errc::none;
};

} // namespace creche::http1
