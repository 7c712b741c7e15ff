// http1_output.hpp: the half of the http1 layer that writes: heads, bodies whole and streamed.
#pragma once

#include "actors/http/internal/exchange.hpp"
#include "actors/http/response.hpp"
#include "actors/stack/internal/stack_actor.hpp"
#include "protocols/http1/response.hpp"

namespace creche::internal {

class http1_output : public layer_actor {
protected:
  using layer_actor::layer_actor;

  /// A whole answer that no handler gave; of one to HEAD its head alone.
  void send_own(int status, std::string_view text, bool to_head);
  /// The head of the handler's response, and the body if it is small. True: the task has no more
  /// to say; the rest is ours to send.
  bool start_response(http1::response response, caf::strong_actor_ptr task);
  /// A piece of a streamed body. False: more than was announced.
  bool add_piece(slice bytes);
  /// Less of a streamed body has come than was announced.
  bool lacks_bytes() const noexcept {
    return framing_ == http1::body_framing::fixed && now_->unwritten;
  }
  /// Sends what there is while there is room below; the rest waits for resume_out(). True: the
  /// task has no more to say, and all of it is written. Look at file_cut_ first.
  bool push_out();
  bool waits_to_write() const noexcept {
    return now_ && (!now_->whole.empty() || now_->file || (now_->stream && !now_->stream->empty()));
  }

  /// A letter to the request's task; bytes in it go over as what that task's loop may own.
  template <class Note> void tell_task(Note note) {
    auto& to = static_cast<resident&>(*caf::actor_cast<caf::abstract_actor*>(now_->task_address));
    if constexpr (requires { note.bytes; })
      if (&to.home() != &home_) note.bytes = note.bytes.private_copy();
    tell<Note, lane::data>(to, std::move(note));
  }

  exchange_ref now_; // the request in hand
  http1::body_framing framing_ = http1::body_framing::none;
  // of the request in hand
  bool in_body_ = false;   // its end was not told yet
  bool reading_ = false;   // the handler asked for the body
  bool discard_ = false;   // no task will
  bool responded_ = false; // the head went out
  bool told_ = false;      // the handler has no more to say
  bool written_ = false;   // and all of it went down
  bool keep_ = true;       // the connection stays
  bool file_cut_ = false;  // the file that is sent got shorter

private:
  void send_head(const http1::response_head& head, std::string_view small_body);
  void send_response_head(const http1::response& response, std::optional<std::uint64_t> length,
                          std::string_view small_body);
  void send_chunk(slice bytes);
  void send_file();
};

} // namespace creche::internal
