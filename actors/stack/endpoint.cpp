#include "actors/stack/endpoint.hpp"

#include "actors/stack/internal/unix_name.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace creche {

endpoint endpoint::parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    std::string shown(text);
    std::replace(shown.begin(), shown.end(), '\0', '?'); // it would end the sentence
    throw std::invalid_argument("'" + shown + "': " + why +
                                "; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock");
  };
  endpoint e;
  if (const auto name = internal::unix_name::of(text); name.is_one()) {
    if (const char* why = name.complaint()) bad(why);
    e.address = text;
    return e;
  }
  std::string_view host, port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == text.npos || close + 1 >= text.size() || text[close + 1] != ':')
      bad("no port after the address");
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const auto colon = text.rfind(':');
    if (colon == text.npos) bad("no port");
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != host.npos) bad("an IPv6 address stands in brackets");
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), e.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size())
    bad("the port is a number from 0 to 65535");
  e.address = host;
  in6_addr six;
  in_addr four;
  if (::inet_pton(AF_INET, e.address.c_str(), &four) != 1 &&
      ::inet_pton(AF_INET6, e.address.c_str(), &six) != 1)
    bad("the address is not numeric");
  return e;
}

std::string endpoint::to_text() const {
  if (address.empty()) return {};
  if (is_unix()) return address;
  const bool six = address.find(':') != address.npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

bool endpoint::is_unix() const noexcept { return internal::unix_name::of(address).is_one(); }

} // namespace creche
