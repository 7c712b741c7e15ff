// server_core.hpp: the server's side of an HTTP/1.1 connection: bytes in, events out.
//
// Every request is told as `head body* end`, or the connection as `failed`, and never otherwise,
// however its bytes were split (RFC 9112 §2, §6, §9.3). Nothing is copied or allocated.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/http1/chunked_reader.hpp"
#include "protocols/http1/errc.hpp"
#include "protocols/http1/head.hpp"
#include "protocols/http1/head_reader.hpp"
#include "protocols/http1/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace creche::http1 {

/// What a connection remembers between two looks at its bytes. The caller keeps the head for as
/// long as it needs it.
class server_core {
public:
  enum class event : std::uint8_t {
    need_more, ///< nothing to tell before more bytes come
    head,      ///< `head` is that of a new request
    body,      ///< `body` is the next piece of its content
    end,       ///< the request is complete; once for every head
    failed,    ///< answer status_of(error()) and close; said again by every later call
  };

  struct step {
    event what = event::need_more;
    std::size_t used = 0;            ///< bytes at the front of `in` that are needed no more
    std::span<const std::byte> body; ///< with `body`: not empty, a view of `in`
  };

  /// With the usual limits.
  server_core();
  /// Many connections share one `shared`, which outlives them.
  explicit server_core(const limits& shared) noexcept : limits_(&shared), reader_(shared) {}
  explicit server_core(const limits&&) = delete;

  /// Reads on, to the next event. `in` begins with the first byte not used so far; call again with
  /// the rest until need_more. An incomplete head stays in `in` (at most the two limits of heads)
  /// and is not scanned twice; everything else is used at once. Bytes after the last request of the
  /// connection, and with `failed`, are used and ignored. Errors: every errc of requests, through
  /// error(). With a head event, the views of `head` point into the bytes that it was given: keep
  /// those, or copy both (request_head::rebase).
  step next(std::span<const std::byte> in, request_head& head);

  /// After `failed`: why.
  errc error() const { return error_; }

  /// After need_more or `failed` inside a head: its method is known, and is HEAD. No answer to it
  /// has a body.
  bool in_head_request() const { return in_head_request_; }

  /// May another request follow the one whose head was last seen (RFC 9112 §9.3)? No longer after
  /// limits::requests of them, nor after stop().
  bool keep_alive() const { return keep_alive_; }

  /// Between requests; nothing of a next one was seen. End of stream is clean here.
  bool idle() const { return state_ == state::head && reader_.at_start(); }

  /// No request will be told any more; what still comes in is ignored.
  bool closing() const { return state_ == state::ignoring || state_ == state::failed; }

  /// The stream ended: `truncated` when it did so inside a request.
  errc at_eof() const;

  /// Of a body with Content-Length: bytes still to come. 0 in every other state.
  std::uint64_t body_left() const { return state_ == state::fixed ? left_ : 0; }

  /// All of the request has been used: the next event is its `end`, and needs no bytes.
  bool at_end() const { return state_ == state::empty || (state_ == state::fixed && left_ == 0); }

  /// How many more bytes `next` can do something with after need_more: always 1. It resumes where
  /// it stopped, and a wrong byte is refused when it comes.
  static constexpr std::size_t need() { return 1; }

  /// Lets no request follow the one that is being read; a head not complete yet is given up.
  void stop();

  /// Heads read so far.
  std::uint32_t requests() const { return requests_; }

private:
  enum class state : std::uint8_t { head, empty, fixed, chunked, ignoring, failed };

  step read_head(std::span<const std::byte> in, request_head& head);
  step read_fixed(std::span<const std::byte> in);
  step read_chunked(std::span<const std::byte> in);
  step finish(std::size_t used);
  step fail(errc error, std::size_t used);

  const limits* limits_;
  std::uint64_t left_ = 0;
  chunked_reader chunks_;
  head_reader reader_;
  std::uint32_t requests_ = 0;
  state state_ = state::head;
  errc error_ = errc::none;
  bool keep_alive_ = true;
  bool in_head_request_ = false;
};

static_assert(sizeof(server_core) <= 72, "an idle connection holds this much for HTTP/1.1");

} // namespace creche::http1
