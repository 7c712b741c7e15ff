// request_text.hpp: how a request is called in the log and told to the hook of answers.
#pragma once

#include "actors/http/answered.hpp"
#include "actors/http/internal/exchange.hpp"

#include <string>
#include <string_view>

namespace creche::internal {

/// "GET /path of 127.0.0.1:5000".
std::string request_text(const exchange& x);
/// "GET /path of 127.0.0.1:5000: its answer, 200, was cut: ".
std::string cut_text(const exchange& x, int status);

/// Its method and target.
http1::answered about_request(const exchange& x) noexcept;
/// The same, as far as they can be told, of a head that was refused.
http1::answered about_line(std::string_view head) noexcept;

} // namespace creche::internal
