#include "actors/http/internal/http1_output.hpp"

#include "actors/http/internal/date_line.hpp"
#include "protocols/http1/grammar.hpp"

namespace creche::internal {

namespace {

constexpr std::uint32_t small_body = 2048;           // copied behind its head, or its size line
constexpr std::uint32_t piece_size = 16384;          // of a large one
constexpr std::uint32_t file_part_size = 256 * 1024; // no memory of ours

// A letter to the task, opened in its turn.
struct room_note {
  exchange_ref exchange;
  void operator()(resident&) const { exchange->room_again(); }
};

} // namespace

// ---- heads

void http1_output::send_own(int status, std::string_view text, bool to_head) {
  std::string body(text);
  body += '\n';
  http1::response_head head(status, body.size());
  head.content_type = "text/plain; charset=utf-8";
  head.date = date_line(home_.time().unix_seconds());
  send_head(head, to_head ? std::string_view() : body);
}

void http1_output::send_head(const http1::response_head& head, std::string_view body) {
  const auto most = http1::size_bound(head) + body.size();
  if (most > detail::slab::standard)
    throw std::system_error(http1::make_error_code(http1::errc::does_not_fit));
  auto room = slab_cursor::for_output().room(std::uint32_t(most));
  const auto written = http1::write_head(room, head);
  if (written.error != http1::errc::none)
    throw std::system_error(http1::make_error_code(written.error));
  if (!body.empty()) std::memcpy(room.data() + written.size, body.data(), body.size());
  write_below(slab_cursor::for_output().cut(std::uint32_t(written.size + body.size())));
}

void http1_output::send_response_head(const http1::response& response,
                                      std::optional<std::uint64_t> length, std::string_view body) {
  http1::response_head head(now_->head, response.status_, length);
  framing_ = head.framing;
  if (!keep_ || response.close_ || framing_ == http1::body_framing::until_close)
    head.keep_alive = false;
  // What follows would be a tunnel's, and no request (RFC 9110 §9.3.6): also behind a refusal, for
  // a client may send it before it knows, and what is in it may be another's choice.
  if (now_->head.method() == "CONNECT") head.keep_alive = false;
  keep_ = head.keep_alive;
  head.content_type = response.content_type_;
  head.date = date_line(home_.time().unix_seconds());
  std::vector<http1::field> fields;
  for (auto& [name, value] : response.fields_) {
    fields.push_back({name, value});
    if (http1::same_name(name, "date")) head.date = {};
  }
  head.fields = fields;
  if (framing_ == http1::body_framing::none) body = {};
  send_head(head, body);
  now_->status = response.status_;
  now_->sent = body.size();
  responded_ = true;
}

bool http1_output::start_response(http1::response response, caf::strong_actor_ptr task) {
  if (response.streams_) {
    send_response_head(response, response.length_, {});
    if (framing_ == http1::body_framing::none) return true;
    now_->task_address = std::move(task);
    now_->length = now_->unwritten = response.length_.value_or(0);
    if (!now_->stream) now_->stream = new std::deque<slice>;
    return false;
  }
  if (response.file_) {
    send_response_head(response, response.file_->size(), {});
    if (framing_ == http1::body_framing::none || !response.file_->size()) return true;
    now_->file = std::move(response.file_);
    now_->file_at = 0;
    return true;
  }
  auto& body = response.body_;
  const bool small = body.size() <= small_body;
  std::optional<std::uint64_t> length = body.size();
  // what a GET would have had is not known here (RFC 9110 §8.6)
  if (body.empty() && (response.status_ == 304 || now_->head.method() == "HEAD")) length.reset();
  send_response_head(response, length, small ? std::string_view(body) : "");
  if (!small && framing_ == http1::body_framing::fixed) now_->whole = slice::copy_of(body);
  return true;
}

// ---- bodies

bool http1_output::add_piece(slice bytes) {
  if (framing_ == http1::body_framing::fixed) {
    if (bytes.size() > now_->unwritten) return false;
    now_->unwritten -= bytes.size();
  }
  now_->stream->push_back(std::move(bytes));
  return true;
}

bool http1_output::push_out() {
  if (!responded_) return false;
  auto& whole = now_->whole;
  while (!whole.empty() && room_below()) {
    const auto n = std::min(whole.size(), piece_size);
    now_->sent += n;
    write_below(whole.part(0, n));
    whole.skip(n);
  }
  send_file();
  while (now_->stream && !now_->stream->empty() && room_below()) {
    auto& oldest = now_->stream->front();
    const auto n = std::min(oldest.size(), piece_size);
    now_->sent += n;
    send_chunk(oldest.part(0, n));
    oldest.skip(n);
    const bool over = oldest.empty();
    if (over) now_->stream->pop_front();
    if (now_->out.take(n + (over ? exchange::piece_cost : 0), now_->marks, now_->two_loops))
      tell_task(room_note{exchange_ref::share(now_.x)});
  }
  if (!told_ || waits_to_write()) return false;
  if (!std::exchange(written_, true) && framing_ == http1::body_framing::chunked)
    write_below(slice::of_static(http1::last_chunk));
  return true;
}

// The kernel takes it from the file itself where nothing stands between us and a socket.
void http1_output::send_file() {
  auto& file = now_->file;
  while (file && !file_cut_ && room_below()) {
    const auto left = file->size() - now_->file_at;
    std::uint32_t n = 0;
    if (stack().sends_files_below(*this)) {
      n = std::uint32_t(std::min<std::uint64_t>(left, file_part_size));
      write_below(file_part{file, now_->file_at, n});
    } else {
      n = std::uint32_t(std::min<std::uint64_t>(left, piece_size));
      if (!file->read(now_->file_at, slab_cursor::for_output().room(n).first(n))) {
        file_cut_ = true;
        return;
      }
      write_below(slab_cursor::for_output().cut(n));
    }
    now_->sent += n;
    now_->file_at += n;
    if (n == left) file = {};
  }
}

void http1_output::send_chunk(slice bytes) {
  if (framing_ != http1::body_framing::chunked) return write_below(std::move(bytes));
  const bool small = bytes.size() <= small_body; // one letter instead of three
  const auto more = small ? bytes.size() + std::uint32_t(http1::chunk_end.size()) : 0;
  auto room = slab_cursor::for_output().room(http1::max_chunk_prefix + more);
  const auto n = http1::write_chunk_prefix(room, bytes.size());
  if (small) {
    std::memcpy(room.data() + n, bytes.view().data(), bytes.size());
    std::memcpy(room.data() + n + bytes.size(), http1::chunk_end.data(), http1::chunk_end.size());
  }
  write_below(slab_cursor::for_output().cut(std::uint32_t(n) + more));
  if (small) return;
  write_below(std::move(bytes));
  write_below(slice::of_static(http1::chunk_end));
}

} // namespace creche::internal
