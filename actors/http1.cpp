#include "actors/http1.hpp"

#include "actors/internal/exchange.hpp"
#include "actors/internal/http1_layer.hpp"
#include "protocols/http1/grammar.hpp"
#include "runtime/internal/runtime_system.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace creche::http1 {

namespace {

using internal::exchange_ref;
using internal::http1_layer;
using internal::lane;
using internal::resident;

// Letters to the layer.
struct respond_note {
  exchange_ref x;
  response r;
  caf::strong_actor_ptr task;
  void operator()(resident& l) {
    static_cast<http1_layer&>(l).respond(*x.x, std::move(r), std::move(task));
  }
};
struct piece_note {
  std::uint32_t id;
  slice b;
  void operator()(resident& l) { static_cast<http1_layer&>(l).stream_piece(id, std::move(b)); }
};
struct end_note {
  std::uint32_t id;
  bool failed;
  void operator()(resident& l) const { static_cast<http1_layer&>(l).stream_end(id, failed); }
};
struct want_note {
  exchange_ref x;
  caf::strong_actor_ptr task;
  void operator()(resident& l) { static_cast<http1_layer&>(l).want_body(*x.x, std::move(task)); }
};
struct taken_note {
  std::uint32_t id;
  void operator()(resident& l) const { static_cast<http1_layer&>(l).body_taken(id); }
};

caf::strong_actor_ptr address_of(const internal::task_actor& t) {
  return caf::strong_actor_ptr(t.ctrl());
}

// The handler's failure is told to the log, and ends nothing.
void tell_failure(internal::task_actor& t, std::exception_ptr e) {
  const auto f = failure::from(std::move(e), t.record()->path());
  t.home().owner->tell({f, nursery_state::verdict::ignored, 0, {}});
}

// What a coroutine runs in.
struct this_run {
  struct awaiter {
    detail::task_run& run;
    explicit awaiter(detail::task_run& r) noexcept : run(r) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    detail::task_run& await_resume() const noexcept { return run; }
  };
  this_run() noexcept {}
  awaiter bind(detail::task_run& r) const noexcept { return awaiter(r); }
};

} // namespace

task<> request_call::serve(request_call& self) {
  auto& x = *self.x.x;
  x.task = &static_cast<internal::task_actor&>(co_await this_run());
  request req(&x);
  std::optional<response> answer;
  try {
    auto work = self.config->handle()(req);
    answer.emplace(co_await std::move(work));
    if (auto why = answer->fault()) throw std::invalid_argument(*why);
  } catch (const body_lost&) { // the peer's doing
    answer.emplace(response::text(400, "the request has no end\n").close());
  } catch (...) {
    tell_failure(*x.task, std::current_exception());
    answer.emplace(response::text(500, "internal error\n").close());
    answer->failed_ = true;
  }
  auto produce = std::move(answer->producer_);
  answer->streams_ = bool(produce);
  if (produce && frame_for(x.head, answer->status_, answer->length_) == body_framing::none)
    produce = {}; // to HEAD, or 304: nobody will see what it writes
  internal::tell<respond_note, lane::data>(*x.layer, exchange_ref::share(&x), std::move(*answer),
                                           produce ? address_of(*x.task) : nullptr);
  answer.reset();
  if (!produce) co_return;
  bool failed = false;
  try {
    writer out(&x);
    auto work = produce(out);
    co_await std::move(work);
  } catch (const body_lost&) {
    failed = true;
  } catch (...) {
    failed = true;
    tell_failure(*x.task, std::current_exception());
  }
  internal::tell<end_note, lane::data>(*x.layer, x.id, failed);
}

std::uint64_t timeouts::least_bytes() const noexcept {
  const auto seconds = std::chrono::duration<double>(rate_over).count();
  return std::uint64_t(std::min(seconds * least_rate, 1e18));
}

server&& server::timeouts(const http1::timeouts& t) && {
  for (auto d : {t.header, t.body, t.idle, t.write_stall, t.linger})
    if (d < clock_duration::zero())
      throw std::invalid_argument("http1: a time limit is less than zero; no_limit is none");
  if (t.least_rate && t.rate_over <= clock_duration::zero())
    throw std::invalid_argument("http1: rate_over is more than zero; without a least rate, "
                                "least_rate is 0");
  timeouts_ = t;
  return std::move(*this);
}

server&& server::limits(const http1::limits& l) && {
  if (std::uint64_t{l.request_line} + l.header_block >= internal::layer_actor::most_unused)
    throw std::invalid_argument("http1::limits: request_line and header_block together must stay "
                                "below 64 KiB");
  limits_ = l;
  return std::move(*this);
}

// ---- response

namespace {

class open_file {
public:
  explicit open_file(const std::string& path) // who writes to a pipe is not waited for
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
    struct stat s{};
    if (fd_ >= 0 && ::fstat(fd_, &s) == 0 && S_ISREG(s.st_mode)) {
      size_ = std::uint64_t(s.st_size);
      return;
    }
    const int error = fd_ >= 0 ? EINVAL : errno;
    if (fd_ >= 0) ::close(fd_);
    throw std::system_error(error, std::generic_category(),
                            fd_ >= 0 ? "a response of a file that is none" : "open a file to send");
  }
  open_file(const open_file&) = delete;
  ~open_file() { ::close(fd_); }

  std::uint64_t size() const noexcept { return size_; }
  /// Fewer bytes than asked for: the file got shorter, or cannot be read.
  bool read(std::uint64_t at, std::span<char> to) const noexcept {
    while (!to.empty()) {
      const auto n = ::pread(fd_, to.data(), to.size(), off_t(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      to = to.subspan(std::size_t(n));
      at += std::uint64_t(n);
    }
    return true;
  }

private:
  int fd_;
  std::uint64_t size_ = 0;
};

task<> send_file(const open_file& f, writer& out) {
  constexpr std::uint64_t piece = 16 * 1024;
  std::vector<char> room(std::min(piece, f.size()));
  for (std::uint64_t at = 0; at < f.size(); at += room.size()) {
    room.resize(std::min(piece, f.size() - at));
    if (!f.read(at, room)) throw std::runtime_error("a file got shorter while it was sent");
    co_await out.write(std::string_view(room.data(), room.size()));
  }
}

} // namespace

response response::file(int status, media_type type, const std::string& path) {
  const auto f = std::make_shared<const open_file>(path);
  return stream(
      status, std::move(type), [f](writer& out) { return send_file(*f, out); }, f->size());
}

response::response(int status, std::string body, media_type type)
    : status_(status), body_(std::move(body)), content_type_(type.static_) {
  if (!type.owned_.empty()) fields_.emplace_back("Content-Type", std::move(type.owned_));
}

response& response::operator=(response&& o) noexcept {
  if (this != &o) { // r = std::move(r).header(..) is one and the same
    this->~response();
    new (this) response(std::move(o));
  }
  return *this;
}

response&& response::header(std::string name, std::string value) && {
  if (same_name(name, "connection") && same_name(value, "close")) return std::move(*this).close();
  const bool type = same_name(name, "content-type");
  if (type) content_type_ = {};
  if (type || same_name(name, "date"))
    std::erase_if(fields_, [&](auto& f) { return same_name(f.first, name); });
  fields_.emplace_back(std::move(name), std::move(value));
  return std::move(*this);
}

std::optional<std::string> response::fault() const {
  if (status_ < 200 || status_ > 599)
    return "a response with status " + std::to_string(status_) + ": it must be 200 to 599";
  if (!is_field_value(content_type_)) return "a response whose content type has controls in it";
  std::size_t size = content_type_.size();
  for (auto& [name, value] : fields_) {
    if (!is_token(name)) return "a response with a field whose name is no token";
    if (!is_field_value(value)) return "a response with controls in its field " + name;
    for (auto reserved : {"Connection", "Content-Length", "Transfer-Encoding"})
      if (same_name(name, reserved))
        return "a response with a field of its own for " + name + ", which the server writes";
    size += name.size() + value.size() + 4; // as it is sent
  }
  if (size > most_fields) return "a response with fields of " + std::to_string(size) + " bytes";
  return std::nullopt;
}

// ---- request

std::string_view request::method() const noexcept { return exchange_->head.method(); }
std::string_view request::target() const noexcept { return exchange_->head.target(); }
std::string_view request::path() const noexcept {
  auto t = target();
  if (const auto scheme = t.starts_with('/') ? t.npos : t.find("://"); scheme != t.npos) {
    const auto end = t.find_first_of("/?", scheme + 3); // of the authority
    t = end == t.npos || t[end] == '?' ? "/" : t.substr(end);
  }
  return t.substr(0, t.find('?'));
}
std::string_view request::header(std::string_view name) const noexcept {
  return exchange_->head.header(name);
}
const request_head& request::head() const noexcept { return exchange_->head; }

// ---- the request's body

body::next_op body::next() noexcept { return next_op(exchange_); }

body::next_awaiter::~next_awaiter() {
  if (exchange_->reader == this) exchange_->reader = nullptr;
}
bool body::next_awaiter::await_ready() noexcept {
  return run_.may_go_on() && (exchange_->has_piece() || exchange_->body_over);
}
void body::next_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  auto& x = *exchange_;
  misused_ = x.reader != nullptr;
  if (misused_ || x.has_piece() || x.body_over) return run_.yield();
  x.reader_run = &run_;
  x.reader = this;
  run_.wait(*this);
  if (std::exchange(x.asked, true)) return;
  internal::tell<want_note, lane::data>(*x.layer, exchange_ref::share(&x), address_of(*x.task));
}
std::optional<slice> body::next_awaiter::await_resume() {
  if (misused_) throw std::logic_error("two tasks wait for one request's body");
  auto& x = *exchange_;
  if (x.has_piece()) {
    auto b = std::move(x.inbox->front());
    x.inbox->pop_front();
    if (x.in.take(b.size() + internal::exchange::piece_cost, x.marks, x.two_loops))
      internal::tell<taken_note, lane::data>(*x.layer, x.id);
    return b;
  }
  if (x.lost) throw body_lost(x.lost, "the request's body");
  return std::nullopt;
}
detail::aborted body::next_awaiter::abort() noexcept {
  exchange_->reader = nullptr;
  return detail::aborted::succeeded; // what comes stays in the inbox
}

// ---- the response's body

writer::write_op writer::write(slice bytes) noexcept { return {exchange_, std::move(bytes)}; }
writer::write_op writer::write(std::string_view bytes) {
  return {exchange_, slice::copy_of(bytes)};
}

writer::write_awaiter::~write_awaiter() {
  if (exchange_->writer == this) exchange_->writer = nullptr;
}
bool writer::write_awaiter::await_ready() noexcept {
  return run_.may_go_on() && (bytes_.empty() || exchange_->out.room(exchange_->marks));
}
void writer::write_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  auto& x = *exchange_;
  misused_ = x.writer != nullptr;
  if (misused_ || bytes_.empty() || x.out.room(x.marks)) return run_.yield();
  x.writer_run = &run_;
  x.writer = this;
  run_.wait(*this);
}
void writer::write_awaiter::await_resume() {
  if (misused_) throw std::logic_error("two tasks write one response");
  auto& x = *exchange_;
  if (bytes_.empty()) return;
  if (x.two_loops) bytes_ = bytes_.private_copy();
  x.out.add(bytes_.size() + internal::exchange::piece_cost);
  internal::tell<piece_note, lane::data>(*x.layer, x.id, std::move(bytes_));
}
detail::aborted writer::write_awaiter::abort() noexcept {
  exchange_->writer = nullptr;
  return detail::aborted::succeeded;
}

} // namespace creche::http1

namespace creche::internal {

void exchange::came(slice b) {
  if (!inbox) inbox = new std::deque<slice>;
  inbox->push_back(std::move(b));
  if (auto* r = std::exchange(reader, nullptr)) reader_run->ready(*r);
}
void exchange::ended(std::error_code why) {
  body_over = true;
  lost = why;
  if (auto* r = std::exchange(reader, nullptr)) reader_run->ready(*r);
}
void exchange::room_again() {
  if (auto* w = std::exchange(writer, nullptr)) writer_run->ready(*w);
}

} // namespace creche::internal
