// answered.hpp: what is told of every answer that an HTTP server has sent, and a log of them.
//
//   http1::server(answer).on_answer(http1::access_log())
//   http1::server(answer).on_answer([](const http1::answered& a) { count(a.status); })
#pragma once

#include "actors/stack/endpoint.hpp"
#include "runtime/memory/function.hpp"
#include "runtime/time/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace creche::http1 {

/// An answer: a handler's, or the server's own, as a refusal. The views live as long as the call.
struct answered {
  std::string_view method; ///< empty if what came was no request line
  std::string_view target; ///< as sent, query included: what a peer says
  endpoint peer, local;
  int status = 0;
  std::uint64_t bytes = 0;      ///< of its content, as far as it was sent
  clock_duration took{};        ///< from the head of its request to its last byte
  std::int64_t unix_second = 0; ///< at its last byte
  bool complete = true;         ///< false: it was cut

  /// As request::path() has it.
  std::string_view path() const noexcept;
};

/// Called once for every answer, on the loop of its connection; with several loops, on several
/// threads at a time. It should be quick. What it throws is told to the log.
using answer_hook = detail::function<void(const answered&)>;

/// Writes a line for every answer, as servers have it, and waits for nobody: who does not read
/// loses lines, and is told so.
///   127.0.0.1 - - [30/Nov/2026:21:04:09 +0000] "GET /hello?a=b" 200 13 0.000412
/// The last two are the bytes of the content and the seconds that it took; a cut answer has "cut"
/// behind them. What a peer said is escaped.
answer_hook access_log();
/// The line of one answer, without its end.
std::string access_line(const answered& a);

/// Of a target up to the first '?', without the scheme and authority of an absolute one.
std::string_view path_of(std::string_view target) noexcept;

} // namespace creche::http1
