// From plain to TLS and back: both ends begin in plain, agree on TLS, and end it again, all on one
// connection. So mail servers do it (STARTTLS), and PostgreSQL.
#include <creche/actors/layers/tls.hpp>
#include <creche/creche.hpp>
#include <creche/protocols/tls/self_signed.hpp>

#include <iostream>
#include <string>
#include <string_view>

using namespace creche;

// tcp / lines / (this task), and later tcp / tls / lines / (this task)
struct server {
  any_stack secure;

  task<> operator()(connection& peer) const {
    peer.read_ahead(false); // what is behind STARTTLS is not a line any more
    while (auto said = co_await peer.frames().next()) {
      const bool start = said->view() == "STARTTLS";
      co_await peer.send("you said " + std::string(said->view()));
      if (start) co_await peer.insert_below("lines", secure);
    }
  }
};

task<> talk(nursery& n, endpoint where, any_stack secure) {
  auto peer = co_await open(n, tcp(where.to_text()) / lines(line_end::lf));
  peer.read_ahead(false);
  const auto ask = [&](std::string_view words) -> task<> {
    co_await peer.send(words);
    const auto answer = co_await peer.frames().next();
    const bool is_plain = peer.value().layers() == 2;
    std::cout << (is_plain ? "plain: " : "tls: ") << answer->view() << '\n';
  };
  auto start = ask("STARTTLS"), password = ask("a password"), weather = ask("the weather");
  co_await std::move(start);
  co_await peer.insert_below("lines", secure); // when it returns, the server is who it says
  const auto* known = peer.facts().find<tls_facts>();
  std::cout << known->protocol << " with " << known->server_name << '\n';
  co_await std::move(password);
  co_await peer.remove("tls"); // says its end, and waits for the server's
  co_await std::move(weather);
}

int main() {
  const auto shown = tls_protocol::self_signed({"localhost"});
  tls_server_options serving;
  serving.plain_follows = true; // the end of TLS is not the end of the connection
  tls_client_options asking;
  asking.authorities_text = shown.chain; // nobody else is believed
  const server serve{tls(certificate_text(shown), serving)};
  const auto ask = tls("localhost", asking);

  const auto app = [&](nursery& n) -> task<> {
    auto service = listener("127.0.0.1:0", lines(line_end::lf), serve).as_child("service");
    auto up = co_await n.start_ready<endpoint>(service);
    co_await talk(n, up.value, ask);
    n.stop();
  };
  return run({.name = "secure", .log = false}, app).finish();
}
