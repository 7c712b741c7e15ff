#include "actors/internal/listener_actor.hpp"

#include "actors/internal/http1_layer.hpp"
#include "actors/internal/socket_address.hpp"
#include "runtime/internal/ready_slot.hpp"
#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/tree_sink.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace creche {

endpoint endpoint::parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    throw std::invalid_argument("'" + std::string(text) + "': " + why +
                                "; write it like 127.0.0.1:8080 or [::1]:8080");
  };
  endpoint e;
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
  const bool six = address.find(':') != address.npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

listener::listener(endpoint at, http1::server s)
    : at_(std::move(at)), server_(new http1::server(std::move(s))) {}
listener::listener(std::string_view at, const any_stack& upper, handler h)
    : at_(endpoint::parse(at)), service_(new internal::stack_service(upper, std::move(h))) {}
listener::listener(std::string_view at, const any_stack& upper) : listener(at, upper, handler()) {}
listener::listener(listener&&) noexcept = default;
listener::~listener() = default;

listener&& listener::timeouts(const tcp_timeouts& t) && {
  if (!service_)
    throw std::invalid_argument("listener: the timeouts of HTTP are those of its http1::server");
  service_->timeouts = t;
  return std::move(*this);
}

child_spec listener::as_child(std::string_view name) && {
  auto p = std::make_unique<internal::listener_plan>(std::move(at_), options_);
  p->server.reset(server_.release());
  p->service.reset(service_.release());
  p->name = name;
  return child_spec(p.release());
}

namespace internal {

namespace {

const child_rules connection_rules{.ignore_failure = true};
constexpr unsigned accepts_a_turn = 64;

class http_stack final : public stack_actor {
public:
  http_stack(caf::actor_config& cfg, child_record* r, int fd, const http_service& s)
      : stack_actor(cfg, r), fd_(fd), service_(s) {}
  ~http_stack() override {
    if (fd_ >= 0) ::close(fd_);
  }

private:
  void build() override {
    add_layer<tcp_layer>("tcp", nullptr, std::exchange(fd_, -1), service_.counters,
                         service_.limits);
    add_layer<http1_layer>("http1", nullptr, *service_.server, service_.counters);
  }
  int fd_;
  const http_service& service_; // the listener's
};

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

} // namespace

task<> listener_plan::body(detail::ready_slot*) {
  throw std::logic_error("a listener has no task");
}
child_actor* listener_plan::make(child_record& r) {
  return make_resident<listener_actor>(*home, &r, *this);
}

tcp_limits listener_plan::transport_limits() const noexcept {
  if (service) return {service->timeouts.write_stall, service->timeouts.linger};
  auto& t = server->timeouts();
  return {t.write_stall, t.linger, t.least_bytes(), t.rate_over};
}

listener_actor::listener_actor(caf::actor_config& cfg, child_record* r, listener_plan& p)
    : nursery_actor(cfg, r, nursery_rules{}), plan_(p), tcp_limits_(p.transport_limits()),
      http_{p.server.get(), counters_, tcp_limits_} {
  expect(std::min(p.options.connections, 16'384u)); // a table that doubles is half empty
  fire = [](timer& t) {
    auto& me = static_cast<listener_actor&>(t);
    me.paused_ = false;
    me.acceptable_ = true;
    me.wake_up();
  };
}

listener_actor::~listener_actor() { home_.disarm(*this); }

void listener_actor::describe(const tree_sink& out) const {
  const auto n = [](const std::atomic<std::uint64_t>& x) {
    return std::to_string(x.load(std::memory_order_relaxed));
  };
  out.detail(where_);
  out.detail(n(open_) + " open");
  out.detail(n(counters_.accepted) + " accepted");
  if (plan_.service) out.detail(plan_.service->whole.to_text());
  if (plan_.server || counters_.requests.load()) out.detail(n(counters_.requests) + " requests");
  if (counters_.refused_requests.load()) out.detail(n(counters_.refused_requests) + " refused");
  for (std::size_t i = 0; i < http1::errc_kinds; ++i)
    if (counters_.refused_for[i].load())
      out.detail(n(counters_.refused_for[i]) +
                 " of them: " + std::string(http1::text(http1::errc(i))));
  if (counters_.turned_away.load()) out.detail(n(counters_.turned_away) + " unavailable");
  if (counters_.failed_requests.load()) out.detail(n(counters_.failed_requests) + " failed");
  if (pauses_.load()) out.detail(n(pauses_) + " pauses");
  for (std::size_t i = 0; i < ended_by_kinds; ++i)
    if (counters_.closed[i].load())
      out.detail(n(counters_.closed[i]) + " " + std::string(to_text(ended_by(i))));
  nursery_actor::describe(out);
}

// ---- life

void listener_actor::on_start() {
  try {
    listen();
  } catch (...) { // whoever waits for us gets this error itself, not a group
    closed_ = true;
    port_.reset();
    return finish(how::failed, std::current_exception());
  }
  if (auto* slot = record()->slot; detail::ready_once(slot)) {
    if (void* to = detail::ready_storage(slot)) new (to) std::optional<endpoint>(plan_.at);
    detail::ready_done(slot);
  }
  wait();
}

void listener_actor::listen() {
  const auto text = plan_.at.to_text();
  socket_address a(plan_.at);
  const int fd = ::socket(a.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(errno, "socket");
  port_.emplace(home_.io().get_executor(), fd); // closes it
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd, a.get(), a.size) != 0) fail(errno, "listen at " + text);
  if (::listen(fd, plan_.options.backlog) != 0) fail(errno, "listen at " + text);
  ::getsockname(fd, a.get(), &a.size);
  plan_.at.port = a.port(); // one that the system chose stays ours over restarts
  where_ = plan_.at.to_text();
}

void listener_actor::on_throw(std::exception_ptr e) { close_port(how::failed, std::move(e)); }

// Drain: the kernel's queue first, then the port, then all connections at once.
void listener_actor::on_stop() {
  if (!port_) return stop_all();
  accept_some(plan_.options.backlog > 0 ? unsigned(plan_.options.backlog) : 1u);
  close_port(how::completed);
  stop_children();
}
void listener_actor::on_cancel() { cancel_all(); }
void listener_actor::on_close() { close_port(how::completed); }

void listener_actor::close_port(how h, std::exception_ptr error) {
  if (std::exchange(closed_, true)) return;
  home_.disarm(*this);
  if (port_) {
    asio::error_code e;
    port_->close(e);
    port_.reset();
  }
  body_ended(h, std::move(error));
}

void listener_actor::let_go() {
  if (ops_)
    parting_ = true;
  else
    nursery_actor::let_go();
}

// ---- accepting

void listener_actor::wait() {
  if (!port_ || waiting_ || paused_ || !has_room()) return;
  waiting_ = true;
  ++ops_;
  port_->async_wait(descriptor::wait_read, [this](asio::error_code e) {
    home_.expect_home();
    --ops_;
    waiting_ = false;
    if (dead()) {
      if (!ops_ && parting_) nursery_actor::let_go();
      return;
    }
    if (e) return;
    acceptable_ = true;
    wake_up();
  });
}

std::size_t listener_actor::turn(std::size_t budget) {
  if (std::exchange(acceptable_, false) && !dead()) {
    try {
      accept_some(accepts_a_turn);
      wait();
    } catch (...) {
      on_throw(std::current_exception());
    }
  }
  return nursery_actor::turn(budget);
}

void listener_actor::accept_some(unsigned most) {
  for (unsigned i = 0; i < most && port_ && !paused_ && has_room(); ++i) {
    const int fd =
        ::accept4(port_->native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      serve(fd);
      continue;
    }
    switch (errno) {
    case EAGAIN: return;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT: continue; // of the connection that came, not of ours (accept(2))
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      paused_ = true;
      pauses_.fetch_add(1, std::memory_order_relaxed);
      return home_.arm(*this, later(home_.now(), plan_.options.pause));
    default: fail(errno, "accept at " + where_);
    }
  }
}

void listener_actor::serve(int fd) {
  auto* r = make_record();
  r->label = "connection ";
  r->numbered = true;
  counters_.accepted.fetch_add(1, std::memory_order_relaxed);
  open_.fetch_add(1, std::memory_order_relaxed);
  auto& where = home_.owner->roomiest();
  stack_actor* s;
  if (plan_.service)
    s = make_resident<served_stack>(where, r, fd, plan_.service, counters_, tcp_limits_);
  else
    s = make_resident<http_stack>(where, r, fd, http_);
  add(r, s, connection_rules);
}

void listener_actor::on_forget(child_record&) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (port_ && !waiting_ && !paused_) wait(); // there is room again
}

} // namespace internal
} // namespace creche
