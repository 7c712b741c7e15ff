// tls_rig.hpp: two ends of a stack with TLS, and what they say.
#pragma once

#include "actors/layers/framers.hpp"
#include "actors/layers/tls.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/when.hpp"
#include "tests/actors/layers/tls_files.hpp"

#include <optional>
#include <string>

namespace creche::testing {

/// Opens both ends of a pair at the same time: each waits for the other's handshake.
template <class One, class Two, class Body>
task<> talk(nursery& n, const One& one, const Two& two, Body body) {
  std::optional<connection> a, b;
  co_await when_all([&]() -> task<> { a.emplace(co_await open(n, one, "client")); }(),
                    [&]() -> task<> { b.emplace(co_await open(n, two, "server")); }());
  co_await body(*a, *b);
}

inline task<std::string> read_all(connection& c) {
  std::string all;
  while (auto piece = co_await c.frames().next()) all += piece->view();
  co_return all;
}

inline task<std::string> line(connection& c) {
  auto found = co_await c.frames().next();
  co_return found ? std::string(found->view()) : "(end)";
}

inline tls_client_options asking(tls_client_options how = {}) {
  how.authorities = tls_files().authority();
  return how;
}
inline auto server(const tls_server_options& how = {}) {
  return tls(tls_files().certificates(), how);
}
inline auto client(tls_client_options how = {}) { return tls("localhost", asking(std::move(how))); }

} // namespace creche::testing
