// chunked_reader.hpp: undoes the chunked transfer coding (RFC 9112 §7.1), strictly.
//
// Data come out as views of what went in; nothing is kept but 24 bytes of state, and no more data
// come out than the sizes of the chunks announced. Extensions and trailers are checked and dropped.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/http1/errc.hpp"
#include "protocols/http1/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace creche::http1 {

class chunked_reader {
public:
  enum class event : std::uint8_t { need_more, data, end, failed };

  struct step {
    event what = event::need_more;
    std::size_t used = 0;            ///< bytes of `in` that are digested
    std::span<const std::byte> data; ///< with `data`: not empty, part of those bytes
    errc error = errc::none;         ///< with `failed`: any errc of the content
  };

  /// Reads on, to the next piece of data at most. `in` begins with the first byte not used so far.
  /// REQUIRES: neither `end` nor `failed` was returned before.
  step next(std::span<const std::byte> in, const limits& bounds) noexcept;

private:
  enum class phase : std::uint8_t {
    size,
    extension, // behind a semicolon: its name is to come
    extension_name,
    extension_name_space,
    extension_value, // behind the equals sign
    extension_token,
    extension_quoted,
    extension_escaped, // behind a backslash
    extension_quoted_end,
    extension_value_space,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,
    done,
  };

  errc framing(char next, const limits& bounds) noexcept;
  errc size(char next) noexcept;
  errc extension(char next, const limits& bounds) noexcept;
  bool extension_may_end() const noexcept;
  errc extension_part(char next) noexcept;
  errc enter(phase next) noexcept { return phase_ = next, errc::none; }
  errc begin_data(const limits& bounds) noexcept;
  errc trailer(char next, const limits& bounds) noexcept;

  std::uint64_t left_ = 0;      // of the chunk
  std::uint64_t total_ = 0;     // announced so far by all chunks
  std::uint32_t extra_ = 0;     // bytes of extensions; after the last chunk, bytes of trailers
  std::uint16_t extension_ = 0; // bytes of the extension of this chunk
  std::uint8_t digits_ = 0;     // of the size of this chunk
  phase phase_ = phase::size;
};

static_assert(sizeof(chunked_reader) <= 24);

} // namespace creche::http1
