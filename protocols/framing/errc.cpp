#include "protocols/framing/errc.hpp"

#include "protocols/error_category.hpp"

namespace creche::framing {

std::string_view text(errc error) noexcept {
  switch (error) {
  case errc::none: return "no error";
  case errc::frame_too_large: return "the frame is larger than the limit";
  case errc::too_many_empty: return "too many empty frames in a row";
  case errc::truncated: return "the stream ended inside a frame";
  case errc::bare_cr: return "a carriage return without a line feed";
  case errc::bare_lf: return "a line feed without a carriage return";
  case errc::bad_length: return "the length is not one decimal number followed by a colon";
  case errc::bad_end: return "the frame does not end with a comma";
  case errc::contains_end: return "what is to be sent contains the end of a frame";
  case errc::wrong_size: return "what is to be sent has not the size of a frame";
  }
  return "unknown framing error";
}

const std::error_category& category() noexcept {
  static const creche::detail::error_category<errc> instance("framing");
  return instance;
}

std::error_code make_error_code(errc error) noexcept {
  return {static_cast<int>(error), category()};
}

} // namespace creche::framing
