// http1_differential: mutated requests through http1::server_core and through nginx, side by side.
//
//     http1_differential SOCKET COUNT SEED       SOCKET: a Unix socket where nginx listens (run.py)
//
// Each input is up to three requests with mistakes, and a good one behind them: if both read that
// as a request of its own, they agree on where every body ended. What nginx refuses we must refuse;
// what both accept must be the same requests, in the same order. Prints one JSON line; exit 1 when
// there is a difference that no rule of ours explains (README.md).
#include "protocols/http1/server_core.hpp"
#include "tests/protocols/http1_mutations.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace creche;
using std::string;
using std::string_view;

constexpr string_view marker = "GET /marker HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
constexpr string_view words_within = "nginx looks for words within a Connection field";
constexpr std::size_t at_a_time = 32;

// ---- ours

struct request {
  string name;           // method and path
  string_view refusable; // the rule by which nginx may refuse it
  bool may_close;        // nginx may close, or stay, where we do the other
};

struct reading {
  std::vector<request> accepted;
  http1::errc refused = http1::errc::none;
  bool incomplete = false; // the input ended inside a request
};

/// As nginx's $request_uri has it: an absolute target without its scheme and authority.
string path_of(string_view t) {
  if (t.starts_with('/') || t == "*") return string(t);
  const auto scheme = t.find("://");
  if (scheme == t.npos) return string(t);
  const auto end = t.find_first_of("/?", scheme + 3);
  if (end == t.npos) return "/";
  return (t[end] == '?' ? "/" : "") + string(t.substr(end));
}

/// Where nginx is stricter. Each is about one request by itself; none is about where it ends.
string_view rule_of(const http1::request_head& h) {
  const auto m = h.method(), t = h.target();
  if (m == "CONNECT" || m == "TRACE") return "nginx serves no CONNECT and no TRACE";
  const auto plain = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_' || c == '-'; };
  if (!std::ranges::all_of(m, plain)) return "nginx knows methods of capital letters only";
  if (t == "*") return "nginx knows no asterisk form";
  if (t.find('%') != t.npos || t.find("..") != t.npos) return "nginx decodes the path";
  if (!t.starts_with('/')) return "nginx takes the host from an absolute target";
  const auto host = h.host();
  if (host.empty() && h.has_header("Host")) return "nginx refuses an empty host";
  if (host.find("..") != host.npos || host.starts_with('.')) return "nginx refuses empty labels";
  return {};
}

reading read_ours(string_view wire) {
  using event = http1::server_core::event;
  http1::server_core core;
  http1::request_head head;
  reading r;
  bool open = false;
  auto in = std::as_bytes(std::span(wire));
  for (;;) {
    const auto s = core.next(in, head);
    in = in.subspan(s.used);
    switch (s.what) {
    case event::head:
      r.accepted.push_back({string(head.method()) + ' ' + path_of(head.target()), rule_of(head),
                            head.has_header("Connection")});
      open = true;
      break;
    case event::body: break;
    case event::end: open = false; break;
    case event::failed:
      r.refused = core.error();
      if (open) r.accepted.pop_back();
      return r;
    case event::need_more:
      r.incomplete = core.at_eof() != http1::errc::none;
      if (open) r.accepted.pop_back();
      return r;
    }
  }
}

// ---- nginx: a head for every request, with its name in a field

struct answer {
  int status;
  string name;
};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class visit {
public:
  visit(const char* path, string_view wire)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) fail("socket");
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
    if (::send(fd_, wire.data(), wire.size(), MSG_NOSIGNAL) != ssize_t(wire.size())) fail("send");
    if (::shutdown(fd_, SHUT_WR) != 0) fail("shutdown");
  }
  visit(visit&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  ~visit() {
    if (fd_ >= 0) ::close(fd_);
  }

  std::vector<answer> answers() {
    string all;
    char room[16384];
    for (ssize_t n; (n = ::recv(fd_, room, sizeof room, 0)) != 0;) {
      if (n < 0) fail("recv"); // nginx has read all: there is no reset
      all.append(room, std::size_t(n));
    }
    std::vector<answer> out;
    string_view in = all;
    while (!in.empty()) {
      const auto end = in.find("\r\n\r\n");
      if (!in.starts_with("HTTP/1.1 ") || end == in.npos) break; // HTTP/0.9: no head
      const auto head = in.substr(0, end + 2);
      in.remove_prefix(end + 4);
      int status = 0;
      std::from_chars(head.data() + 9, head.data() + 12, status);
      if (status < 200) continue;
      const string_view name = field(head, "X-Name: "), length = field(head, "Content-Length: ");
      std::size_t n = 0;
      std::from_chars(length.data(), length.data() + length.size(), n);
      if (!name.starts_with("HEAD ")) in.remove_prefix(std::min(n, in.size()));
      out.push_back({status, string(name)});
    }
    return out;
  }

private:
  static string_view field(string_view head, string_view name) {
    const auto at = head.find("\r\n" + string(name));
    if (at == head.npos) return {};
    const auto from = at + 2 + name.size();
    return head.substr(from, head.find("\r\n", from) - from);
  }
  int fd_;
};

// ---- the judgement

struct judgement {
  std::map<string, std::uint64_t> agreed, explained;
  std::vector<string> differences;
};

void judge(string_view wire, const reading& us, const std::vector<answer>& them, judgement& j) {
  const auto differ = [&](const string& how) {
    string text = how + "; ours:";
    for (auto& r : us.accepted) text += " [" + r.name + "]";
    text += us.refused != http1::errc::none ? " refused: " + string(http1::text(us.refused)) : "";
    text += "; nginx:";
    for (auto& a : them) text += " " + std::to_string(a.status) + " [" + a.name + "]";
    text += "; input: ";
    for (const char c : wire) {
      char hex[5];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
      text += c >= ' ' && c < 0x7f && c != '\\' ? string(1, c)
              : c == '\r'                       ? "\\r"
              : c == '\n'                       ? "\\n"
                                                : hex;
    }
    j.differences.push_back(text);
  };
  const auto explained = [&](string_view rule) { ++j.explained[string(rule)]; };
  for (std::size_t i = 0; i < us.accepted.size(); ++i) {
    const auto& r = us.accepted[i];
    if (i >= them.size()) {
      if (!i || !us.accepted[i - 1].may_close)
        return differ("we accept what nginx does not answer");
      return explained(words_within);
    }
    if (them[i].status != 204) {
      if (r.refusable.empty()) return differ("we accept what nginx refuses");
      explained(r.refusable);
      if (them[i].status != 405) return; // it goes on behind that
      continue;
    }
    if (them[i].name != r.name) return differ("another request");
  }
  const bool more = them.size() > us.accepted.size();
  const bool they_accept = more && them[us.accepted.size()].status == 204;
  if (us.refused != http1::errc::none) {
    if (they_accept || !more)
      ++j.explained["we are stricter: " + string(http1::text(us.refused))];
    else
      ++j.agreed["both refuse"];
  } else if (us.incomplete) {
    ++j.agreed["both wait for more, or nginx answers before it has the body"];
  } else if (more) {
    if (us.accepted.empty() || !us.accepted.back().may_close)
      return differ("nginx answers more than we accept");
    explained(words_within);
  } else {
    ++j.agreed["both accept the same"];
  }
}

void print(const char* name, const std::map<string, std::uint64_t>& counts) {
  std::printf(", \"%s\": {", name);
  const char* comma = "";
  for (auto& [what, n] : counts) {
    std::printf("%s\"%s\": %llu", comma, what.c_str(), static_cast<unsigned long long>(n));
    comma = ", ";
  }
  std::printf("}");
}

int compare(const char* path, std::uint64_t count, std::uint64_t seed) {
  tests::mutations random(seed, true);
  judgement j;
  std::uint64_t done = 0;
  while (done < count && j.differences.size() < 20) {
    std::vector<string> wires;
    std::vector<visit> visits;
    for (std::size_t i = 0; i < at_a_time && done + i < count; ++i) {
      wires.push_back(random.next() + string(marker));
      visits.emplace_back(path, wires.back());
    }
    for (std::size_t i = 0; i < wires.size(); ++i)
      judge(wires[i], read_ours(wires[i]), visits[i].answers(), j);
    done += wires.size();
  }
  std::printf("{\"inputs\": %llu, \"seed\": %llu", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(seed));
  print("agreed", j.agreed);
  print("explained", j.explained);
  std::printf(", \"differences\": %zu}\n", j.differences.size());
  for (auto& d : j.differences) std::printf("DIFFERENT  %s\n", d.c_str());
  return j.differences.empty() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: http1_differential SOCKET COUNT SEED\n");
    return 2;
  }
  try {
    return compare(argv[1], std::strtoull(argv[2], nullptr, 10),
                   std::strtoull(argv[3], nullptr, 10));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "http1_differential: %s\n", e.what());
    return 2;
  }
}
