// creche: the program. `creche demo` is the service that shows what the framework does, `creche
// cat` joins two stacks.
//
// Exit status: 0 done, 1 the tree failed, 2 it was asked for something that cannot be done.
#include "tools/creche/cat.hpp"
#include "tools/creche/certificate.hpp"
#include "tools/creche/demo.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>
#include <exception>

namespace {

constexpr auto demo_help = R"(
Serves
  /        a page with the live tree of actors; works without script, too
  /tree    the same as JSON
  /hello   "hello world"
  /crash   makes the worker fail now (GET or POST); /crash/db does it with db
  /echo    sends the body of any request back while it comes in, however long it is

The tree is a root nursery with four children. "http" listens; every connection is a nursery of
its layers and requests. "ticker" counts seconds. "backend" has three services that need each other:
when db fails, api and cache are stopped before it is started again, and come back after it.
"worker" fails by chance every 5 to 35 seconds, or by /crash, and is started again after 0.1 s,
0.2 s, 0.4 s and so on; 5 s of health make it 0.1 s again. More than 5 restarts in 10 s are too many
for the root: it ends everything, prints the chain of failures and exits with 1. That takes six
quick /crash; chance alone never does it.

Signals
  SIGINT, SIGTERM   once: finish what is in hand, exit 0; twice: cancel it; three times: exit 130
                    (what fails meanwhile is not started again: it is printed, and the exit is 1)
  SIGUSR1           print the tree on standard error

With --https its certificate is signed by itself: curl --cacert takes it, curl -k any.

Prints `listening on ADDR:PORT` when it is ready; with --https a second line. Exits with 2 when it
cannot begin.
)";

constexpr auto cat_help = R"(
What comes out of the first stack goes into the second, and the other way. Without a second one it
is stdio. A stack is written from its lowest layer up, with / between its layers:

  a transport    tcp(127.0.0.1:80)  udp(127.0.0.1:53)  stdio
                 unix(/run/app.sock)  abstract(app)
                 listen(127.0.0.1:7000)  listen(unix:/run/app.sock)  listen(abstract:app)
  layers         tls(example.org)  tls(cert=cert.pem,key=key.pem)  rate_limit(1MiB/s)
                 idle(read=30s)  tap(/tmp/talk.tap)
  frames         lines(lf)  netstring  and the like, on both sides or on one

For every connection that listen(..) accepts the other stack is opened anew; with stdio, and with
--once, there is one connection. Of more than --connections others wait.

An end of one side becomes an end of the other, and the way back stays open until it ends as well
(--wait limits that). After a bad end what came before it is still passed on, and then the other
side sees no good end, either.

  creche cat 'tcp(127.0.0.1:8443)/tls(localhost,dangerous_no_verify)'
  creche cat 'listen(127.0.0.1:8443)/tls(cert=cert.pem,key=key.pem)' 'tcp(127.0.0.1:8080)'
  creche cat 'listen(unix:/tmp/slow)/rate_limit(64KiB/s)' 'tcp(127.0.0.1:8080)'

Exit status: 0 both sides ended well, or a signal asked for it; 1 they did not; 2 the command line
is wrong.
)";

std::string complaint_about_address(const std::string& text) {
  try {
    creche::endpoint::parse(text);
    return {};
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

std::string complaint_about_seconds(const std::string& text) {
  double s = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, s);
  const bool good = read.ec == std::errc{} && read.ptr == end && s >= 0.01 && s <= 86'400; // no NaN
  return good ? "" : text + " is not a number of seconds from 0.01 to 86400";
}

int fail(const char* what) {
  std::fprintf(stderr, "creche: %s\n", what);
  return 2;
}

int main_of(int argc, char** argv) {
  CLI::App app("creche: supervised actors", "creche");
  app.set_version_flag("--version,-V", "creche " CRECHE_VERSION);

  auto& demo = *app.add_subcommand("demo", "an HTTP service that shows a tree of actors at work");
  demo.footer(demo_help);
  demo::options o;
  std::string at = o.at.to_text();
  double timeout_s = 0;
  demo.add_option("--http", at, "where to listen; port 0: any that is free")
      ->type_name("ADDR:PORT")
      ->capture_default_str()
      ->check(CLI::Validator(complaint_about_address, ""));
  std::string https;
  demo.add_option("--https", https,
                  "where to listen for HTTPS, too; its certificate is made at the first start, and "
                  "kept in the folder --state")
      ->type_name("ADDR:PORT")
      ->check(CLI::Validator(complaint_about_address, ""));
  o.state = demo::usual_state_folder();
  demo.add_option("--state", o.state, "where the certificate is kept")
      ->type_name("FOLDER")
      ->capture_default_str();
  demo.add_option("--loops", o.loops, "threads with an event loop (default: hardware threads)")
      ->type_name("N")
      ->check(CLI::Range(1u, 1024u));
  demo.add_option("--connections", o.connections, "at a time; more wait until others end")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1u, 10'000'000u));
  demo.add_option("--timeout", timeout_s,
                  "how long a client may be silent: within a head (default: 10), within a body "
                  "(30), between requests (60), while we write (30)")
      ->type_name("SECONDS")
      ->check(CLI::Validator(complaint_about_seconds, ""));
  demo.add_flag("--echo", o.echo, "answer every method on every path with 200 and its own body");
  demo.add_flag("--calm", o.calm, "the worker fails only when /crash asks for it");

  auto& cat = *app.add_subcommand("cat", "joins two stacks, both ways");
  cat.footer(cat_help);
  cat::options c;
  double wait_s = 0;
  cat.add_option("from", c.from, "a stack")->type_name("STACK")->required();
  cat.add_option("to", c.to, "another")->type_name("STACK")->capture_default_str();
  cat.add_flag("-v,--verbose", c.verbose, "tell what happens on standard error");
  cat.add_flag("--count", c.count,
               "tell how many bytes were passed, and on a terminal how far it is");
  cat.add_flag("--once", c.once, "listen(..) accepts one connection");
  cat.add_option("--connections", c.connections, "of listen(..), at a time")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1'000'000u));
  cat.add_option("--wait", wait_s, "how long one side may go on when the other has ended")
      ->type_name("SECONDS")
      ->check(CLI::Validator(complaint_about_seconds, ""));

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) { // help or version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const auto* which = cat.parsed() ? "cat --help" : demo.parsed() ? "demo --help" : "--help";
    return fail((e.what() + std::string("; see creche ") + which).c_str());
  }
  if (cat.parsed()) {
    if (wait_s > 0)
      c.wait =
          std::chrono::duration_cast<creche::clock_duration>(std::chrono::duration<double>(wait_s));
    return cat::join(c);
  }
  if (!demo.parsed()) return fail("which sub-command? There are: demo, cat; see creche --help");
  o.at = creche::endpoint::parse(at);
  if (!https.empty()) {
    o.https = creche::endpoint::parse(https);
    if (o.state.empty())
      return fail("there is no home folder for a certificate; say --state FOLDER");
  }
  if (timeout_s > 0)
    o.timeout = std::chrono::duration_cast<creche::clock_duration>(
        std::chrono::duration<double>(timeout_s));
  return demo::serve(o);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return main_of(argc, argv);
  } catch (const std::exception& e) {
    return fail(e.what());
  }
}
