#include "actors/http/server.hpp"

#include "actors/stack/internal/layer_actor.hpp"

#include <stdexcept>

namespace creche::http1 {

server&& server::timeouts(const http1::timeouts& times) && {
  for (auto limit : {times.header, times.body, times.idle, times.write_stall, times.linger})
    if (limit < clock_duration::zero())
      throw std::invalid_argument("http1: a time limit is less than zero; no_limit is none");
  if (times.least_rate && times.rate_over <= clock_duration::zero())
    throw std::invalid_argument("http1: rate_over is more than zero; without a least rate, "
                                "least_rate is 0");
  timeouts_ = times;
  return std::move(*this);
}

server&& server::limits(const http1::limits& sizes) && {
  if (std::uint64_t{sizes.request_line} + sizes.header_block >= internal::layer_actor::most_unused)
    throw std::invalid_argument("http1::limits: request_line and header_block together must stay "
                                "below 64 KiB");
  limits_ = sizes;
  return std::move(*this);
}

} // namespace creche::http1
