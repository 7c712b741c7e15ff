// head_notes.hpp: what the gate finds on its way through a head, and what the fields mean together.
//
// Every part is told once, in order. A contradiction (RFC 9112 §3.2, §6.1, §6.3) is remembered and
// told at the end: what is wrong with the bytes comes first.
// Pure; any thread, one at a time. Allocates nothing.
#pragma once

#include "protocols/http1/errc.hpp"
#include "protocols/http1/head.hpp"
#include "protocols/http1/limits.hpp"

#include <cstdint>
#include <string_view>

namespace creche::http1 {

class head_notes {
public:
  /// The fields that decide where a request ends, what it is for, and what follows it.
  enum class known : std::uint8_t { none, host, expect, connection, content_length, coding };
  static known known_of(const char* name, const char* end) noexcept;

  /// The head that is filled; its bytes begin at `base`.
  head_notes(request_head& out, std::string_view bytes) noexcept : out_(&out) {
    out_->base_ = bytes.data();
  }

  void method(const char* begin, const char* end) noexcept {
    out_->method_ = offset(begin);
    out_->method_size_ = std::uint32_t(end - begin);
  }
  void target(const char* begin, const char* end) noexcept {
    out_->target_size_ = std::uint32_t(end - begin);
  }
  /// The request line is over; `digit` is that behind "HTTP/1.". A higher minor version than 1 is
  /// read as 1 (RFC 9110 §2.5).
  void line(char digit, const char* end) noexcept {
    out_->minor_ = digit == '0' ? 0 : 1;
    out_->fields_ = offset(end);
  }
  /// One of the known fields; the value with the white space around it.
  void field(known which, std::string_view value) noexcept;

  /// All of the head was told: `size` bytes with `fields` field lines. Is it a request?
  errc finish(std::uint32_t size, std::uint16_t fields, const limits& bounds) noexcept;

private:
  errc host(std::string_view value, bool tabs) noexcept;
  errc coding(std::string_view value, bool tabs) noexcept;
  errc length(std::string_view value, bool tabs) noexcept;
  errc connection(std::string_view value) noexcept;
  errc expect(std::string_view value) noexcept;
  void take_authority() noexcept;
  std::uint32_t offset(const char* at) const noexcept { return std::uint32_t(at - out_->base_); }
  std::uint32_t offset(std::string_view part) const noexcept {
    return std::uint32_t(part.data() - out_->base_);
  }

  request_head* out_;
  errc error_ = errc::none;
  bool host_ = false;
  bool length_ = false;
  bool coding_ = false;
  bool close_ = false;
  bool stay_ = false;
};

} // namespace creche::http1
