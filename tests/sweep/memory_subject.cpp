// A server in too little memory: its handlers keep whole bodies. memory_limit.py asks it for more
// than there is.
#include "actors/creche.hpp"

#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

using namespace creche;

namespace {

std::size_t address_space_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  return pages * 4096;
}

task<http1::response> keep_it(http1::request& request) {
  std::string body;
  while (auto piece = co_await request.body().next()) body += piece->view();
  co_return http1::response::text(200, std::to_string(body.size()));
}

task<> work(nursery& n) {
  http1::limits large;
  large.body = 16 << 20;
  auto spec = listener("127.0.0.1:0", http1::server(keep_it).limits(large)).as_child("http");
  auto up = co_await n.start_ready<endpoint>(spec);
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = address_space_bytes() + (std::size_t(48) << 20);
  if (::setrlimit(RLIMIT_AS, &limit) != 0) throw std::runtime_error("setrlimit");
  std::printf("%s\n", up.value.to_text().c_str());
  std::fflush(stdout);
}

} // namespace

int main() {
  ::mallopt(M_ARENA_MAX, 1); // an arena takes 64 MiB of the address space
  return run({.name = "subject", .loops = 1, .log = false}, work).finish();
}
