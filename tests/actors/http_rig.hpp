// http_rig.hpp: an http1 layer above a memory transport, with any number of layers between, and a
// reader of what comes out.
#pragma once

#include "actors/http/internal/http1_layer.hpp"
#include "memory_stack.hpp"

#include <doctest/doctest.h>

#include <charconv>

namespace creche::testing {

/// How the stack is laid out.
struct layout {
  unsigned passes = 0;         // layers between transport and http1
  std::size_t pass_loop = 0;   // where those run
  std::size_t http1_loop = 0;  // where http1 runs
  std::size_t memory_loop = 0; // where the transport runs
  unsigned loops = 1;
};

struct http_rig {
  explicit http_rig(http1::server s)
      : config(std::make_shared<const http1::server>(std::move(s))) {}

  std::shared_ptr<const http1::server> config;
  internal::request_counters counters;
  wire w;
  child stack;
  made_stack* actor = nullptr; // while the stack lives

  void start(nursery& n, const layout& l = {}) {
    stack = start_stack(n, [this, l](made_stack& s) {
      actor = &s;
      s.add<memory_layer>("memory", s.at(l.memory_loop), w);
      for (unsigned i = 0; i < l.passes; ++i) s.add<pass_layer>("pass", s.at(l.pass_loop));
      s.add<internal::http1_layer>("http1", s.at(l.http1_loop), *config, counters);
    });
  }
};

/// Runs `script(http_rig&)` beside one connection; ends the connection; nothing may hang or be
/// left.
template <class F> void with_http(http1::server s, const layout& l, F script) {
  http_rig rig(std::move(s));
  auto r = run_virtual({.loops = l.loops}, [&](nursery& n) -> task<> {
    rig.start(n, l);
    co_await script(rig);
    rig.w.reset();
    co_await rig.stack.wait();
  });
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
  INFO((r.run.failures() ? r.run.failures()->to_text() : ""));
  CHECK(r.run.how() == run_result::kind::completed);
  const auto end = rig.stack.result();
  INFO((end && end->why ? std::string(end->why->to_text()) : ""));
  CHECK(rig.stack.ended());
  if (end) CHECK(end->kind != how::failed);
}
template <class F> void with_http(http1::server s, F script) {
  with_http(std::move(s), layout{}, std::move(script));
}

/// A response as a client reads it.
struct answer {
  int status = 0;
  std::string head, body;
  bool complete = false;
};

/// What came, in order. `heads`: how many of the first are answers to HEAD.
inline std::vector<answer> answers_in(std::string_view in, std::size_t heads = 0) {
  std::vector<answer> all;
  while (!in.empty()) {
    auto& a = all.emplace_back();
    const auto end = in.find("\r\n\r\n");
    if (end == in.npos) return all;
    a.head = in.substr(0, end + 4);
    in.remove_prefix(end + 4);
    std::from_chars(a.head.data() + 9, a.head.data() + 12, a.status);
    const auto length = a.head.find("Content-Length: ");
    if (all.size() <= heads || a.status < 200 || a.status == 204 || a.status == 304) {
      a.complete = true;
    } else if (length != a.head.npos) {
      std::size_t n = 0;
      std::from_chars(a.head.data() + length + 16, a.head.data() + a.head.size(), n);
      a.body = in.substr(0, n);
      in.remove_prefix(a.body.size());
      a.complete = a.body.size() == n;
    } else if (a.head.find("Transfer-Encoding: chunked") != a.head.npos) {
      while (!a.complete) {
        std::size_t n = 0;
        const auto line = in.find("\r\n");
        if (line == in.npos) return all;
        std::from_chars(in.data(), in.data() + line, n, 16);
        if (in.size() < line + 2 + n + 2) return all;
        a.body += in.substr(line + 2, n);
        CHECK(in.substr(line + 2 + n, 2) == "\r\n");
        in.remove_prefix(line + 2 + n + 2);
        a.complete = n == 0;
      }
    } else { // until close
      a.body = in;
      return all;
    }
  }
  return all;
}

inline std::vector<int> statuses_in(std::string_view in) {
  std::vector<int> all;
  for (auto& a : answers_in(in)) all.push_back(a.complete ? a.status : -a.status);
  return all;
}

inline std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}
inline std::string post(std::string_view target, std::string_view body,
                        std::string_view more = "") {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}
/// The head alone, of a body that is yet to come.
inline std::string post_head(std::string_view target, std::size_t n, std::string_view more = "") {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(n) + "\r\n" +
         std::string(more) + "\r\n";
}
inline std::string chunk(std::string_view data) {
  char size[20];
  const auto end = std::to_chars(size, size + 20, data.size(), 16).ptr;
  return std::string(size, end) + "\r\n" + std::string(data) + "\r\n";
}
inline std::string post_chunked(std::string_view target) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
}

// ---- handlers

/// The target, as text.
inline task<http1::response> name_handler(http1::request& r) {
  co_return http1::response::text(200, std::string(r.method()) + " " + std::string(r.target()));
}
/// Reads the body, answers its size.
inline task<http1::response> count_handler(http1::request& r) {
  std::size_t n = 0;
  while (auto b = co_await r.body().next()) n += b->size();
  co_return http1::response::text(200, std::to_string(n));
}
/// Streams the body back.
inline task<> echo_body(http1::request& r, http1::writer& out) {
  while (auto b = co_await r.body().next()) {
    auto piece = std::move(*b);
    co_await out.write(std::move(piece));
  }
}
inline task<http1::response> echo_handler(http1::request& r) {
  co_return http1::response::stream(200, "text/plain",
                                    [&r](http1::writer& out) { return echo_body(r, out); });
}
/// Never reads.
inline task<http1::response> ignore_handler(http1::request&) {
  co_return http1::response::text(200, "ignored");
}
/// By path.
inline task<http1::response> any_handler(http1::request& r) {
  if (r.path() == "/echo") return echo_handler(r);
  if (r.path() == "/count") return count_handler(r);
  if (r.path() == "/ignore") return ignore_handler(r);
  return name_handler(r);
}

} // namespace creche::testing
