// head_reader.hpp: from bytes to a request_head: the gate, and what the fields mean together.
//
// A head is complete only when no byte of it is out of place and no field contradicts another
// (RFC 9112 §3.2, §6.1, §6.3); the verdict does not depend on how the bytes were split.
// Pure; any thread, one at a time. Allocates nothing.
#pragma once

#include "protocols/http1/errc.hpp"
#include "protocols/http1/gate.hpp"
#include "protocols/http1/head.hpp"
#include "protocols/http1/limits.hpp"

#include <cstdint>
#include <string_view>

namespace creche::http1 {

class head_reader {
public:
  explicit head_reader(const limits& bounds) noexcept : gate_(bounds) {}

  /// Reads on; fills `out` when the head is complete. `in` as for gate::scan(). Errors: every errc
  /// of the request line and of the fields, and body_too_large for a Content-Length over the limit.
  gate::verdict read(std::string_view in, const limits& bounds, request_head& out) noexcept;

  /// After `refused`: what is wrong.
  errc error() const noexcept { return error_; }

  /// After `complete`: the size of the head, an empty line before it included.
  std::uint32_t size() const noexcept { return gate_.size(); }

  /// Nothing of a request line was seen.
  bool at_start() const noexcept { return gate_.at_start(); }

  /// Of a head that is not complete, or was refused: its method is known, and is HEAD.
  bool is_head(std::string_view in) const noexcept;

  /// How many bytes at the front belong to an empty line before the head. From now on the caller
  /// presents its bytes without them.
  std::uint32_t take_lead() noexcept;

private:
  gate gate_;
  errc error_ = errc::none;
};

} // namespace creche::http1
