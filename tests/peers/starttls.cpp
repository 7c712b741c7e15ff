// starttls_client: connections that begin in plain, and TLS that comes in the middle of them, with
// servers that others wrote.
//
//   starttls_client postgres ADDRESS AUTHORITIES require|prefer QUERY
//     prints a line for each row; `prefer` goes on in plain when the server speaks no TLS
//   starttls_client smtp ADDRESS AUTHORITIES FROM TO
//     sends the message on standard input, whose lines end in CR LF
//
// Both print what was agreed on, and end with 0 only if all went well to the last byte: the
// server's close_notify is asked for, too.
#include <creche/actors/layers/tls.hpp>
#include <creche/creche.hpp>

#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

using namespace creche;
using namespace std::chrono_literals;

namespace {

struct command {
  std::string protocol, address, authorities;
  std::vector<std::string> rest;
};

any_stack tls_of(const command& given) {
  tls_client_options asking;
  asking.authorities = given.authorities; // nobody else is believed
  return tls("localhost", asking);
}

void tell_security(const connection& server) {
  const auto* known = server.facts().find<tls_facts>();
  std::cout << (known ? known->protocol + " with " + known->server_name : "plain") << '\n';
}

/// Nothing is left to be said: the server says its end, in TLS in a way that nobody else can.
task<> expect_end(connection& server) {
  if (auto more = co_await server.frames().next())
    throw std::runtime_error("behind the end came: " + std::string(more->view()));
  server.close();
  const auto record = co_await server.ended();
  if (record.how != ended_by::clean) throw connection_lost(record);
}

// ---- PostgreSQL: https://www.postgresql.org/docs/current/protocol-message-formats.html

std::string big_endian(std::uint32_t n) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += char(n >> shift);
  return bytes;
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t n = 0;
  for (const char byte : bytes) n = n << 8 | std::uint8_t(byte);
  return n;
}

/// The length counts itself.
std::string with_length(std::string_view body) {
  return big_endian(std::uint32_t(body.size() + 4)).append(body);
}

struct message {
  char type = 0;
  std::string body;
};

/// The server's messages, cut from what the stack gives in pieces.
class messages {
public:
  explicit messages(connection& server) : server_(server) {}

  task<message> next() {
    co_await have(5);
    const std::size_t size = big_endian(std::string_view(came_).substr(1, 4));
    if (size < 4 || size > 1 << 20) throw std::runtime_error("a message of a wrong length");
    co_await have(1 + size);
    message found{came_[0], came_.substr(5, size - 4)};
    came_.erase(0, 1 + size);
    co_return found;
  }

private:
  task<> have(std::size_t n) {
    while (came_.size() < n) {
      auto piece = co_await server_.frames().next();
      if (!piece) throw std::runtime_error("the server ended where a message was due");
      came_ += piece->view();
    }
  }

  connection& server_;
  std::string came_;
};

/// True if TLS stands in the stack now. The answer is one byte, and what is behind it is not read.
task<bool> secure(connection& server, any_stack secured) {
  co_await server.send(with_length(big_endian(80877103)));
  server.read_ahead(false);
  co_await server.insert_above("tcp", fixed(1));
  const auto answer = co_await server.frames().next();
  if (!answer) throw std::runtime_error("no answer to the SSLRequest");
  const bool agreed = answer->view() == "S";
  if (!agreed && answer->view() != "N") throw std::runtime_error("neither S nor N");
  if (agreed)
    co_await server.replace("fixed", secured);
  else
    co_await server.remove("fixed");
  co_return agreed;
}

/// What stands in an ErrorResponse for people: fields of a letter and a text.
std::string sentence_of(std::string_view fields) {
  while (fields.size() > 1) {
    const auto field = fields.substr(0, fields.find('\0'));
    if (field.front() == 'M') return std::string(field.substr(1));
    fields.remove_prefix(std::min(fields.size(), field.size() + 1));
  }
  return "no reason";
}

void print_row(std::string_view row) {
  const auto take = [&](std::size_t n) {
    if (row.size() < n) throw std::runtime_error("a row is cut off");
    const auto front = row.substr(0, n);
    row.remove_prefix(n);
    return front;
  };
  const auto columns = big_endian(take(2));
  for (std::uint32_t i = 0; i < columns; ++i) {
    const auto size = big_endian(take(4));
    std::cout << (i ? "|" : "") << (size == 0xffffffff ? "null" : take(size));
  }
  std::cout << '\n';
}

/// Reads to ReadyForQuery: what the types of the messages were, in order.
task<std::string> until_ready(messages& from) {
  std::string types;
  while (types.empty() || types.back() != 'Z') {
    const auto came = co_await from.next();
    types += came.type;
    if (came.type == 'E') throw std::runtime_error("the server says: " + sentence_of(came.body));
    if (came.type == 'R' && big_endian(came.body) != 0)
      throw std::runtime_error("the server wants a password");
    if (came.type == 'D') print_row(came.body);
  }
  co_return types;
}

std::string startup() {
  using namespace std::string_view_literals;
  return with_length(big_endian(3 << 16).append("user\0postgres\0database\0postgres\0\0"sv));
}

task<> postgres(nursery& n, const command& given) {
  const bool may_be_plain = given.rest.at(0) == "prefer";
  auto server = co_await open(n, tcp(given.address));
  if (!co_await secure(server, tls_of(given)) && !may_be_plain)
    throw std::runtime_error("the server speaks no TLS");
  tell_security(server);

  messages from(server);
  co_await server.send(startup());
  const auto greeted = co_await until_ready(from);
  if (greeted.front() != 'R') throw std::runtime_error("nobody said that we may come in");
  const auto query = given.rest.at(1) + '\0';
  co_await server.send('Q' + with_length(query));
  co_await until_ready(from);
  co_await server.send('X' + with_length(""));
  co_await expect_end(server);
}

// ---- SMTP: RFC 5321, and its STARTTLS: RFC 3207

/// The lines of a reply, which must begin with this code.
task<std::string> reply(connection& server, std::string_view wanted) {
  std::string text;
  for (;;) {
    const auto line = co_await server.frames().next();
    if (!line) throw std::runtime_error("the server ended where a reply was due");
    text += std::string(line->view()) + '\n';
    if (!line->view().starts_with(wanted)) throw std::runtime_error("the server says: " + text);
    if (line->size() < 4 || line->view()[3] != '-') co_return text; // "250-" is not the last one
  }
}

task<std::string> ask(connection& server, std::string said, std::string_view wanted) {
  co_await server.send(said);
  co_return co_await reply(server, wanted);
}

/// A line with a dot in front gets another one; one with nothing else is the end.
task<> send_message(connection& server, std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    if (end == text.npos) throw std::runtime_error("the last line has no end");
    std::string line(text.substr(0, end));
    if (line.starts_with('.')) line.insert(0, 1, '.');
    co_await server.send(line);
    text.remove_prefix(end + 2);
  }
}

task<> start_tls(connection& server, any_stack secured) {
  server.read_ahead(false); // what is behind the reply is no line any more
  co_await reply(server, "220");
  const auto offered = co_await ask(server, "EHLO localhost", "250");
  if (offered.find("STARTTLS") == offered.npos)
    throw std::runtime_error("the server speaks no TLS");
  co_await ask(server, "STARTTLS", "220");
  co_await server.insert_below("lines", secured);
  server.read_ahead(true);
}

task<> smtp(nursery& n, const command& given) {
  const std::string message{std::istreambuf_iterator<char>(std::cin), {}};
  auto server = co_await open(n, tcp(given.address) / lines(line_end::crlf));
  co_await start_tls(server, tls_of(given));
  tell_security(server);

  co_await ask(server, "EHLO localhost", "250"); // what was said before does not count
  co_await ask(server, "MAIL FROM:<" + given.rest.at(0) + ">", "250");
  co_await ask(server, "RCPT TO:<" + given.rest.at(1) + ">", "250");
  co_await ask(server, "DATA", "354");
  co_await send_message(server, message);
  co_await ask(server, ".", "250");
  co_await ask(server, "QUIT", "221");
  co_await expect_end(server);
}

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() != 5 || (words[0] != "postgres" && words[0] != "smtp")) {
    std::cerr << "usage: starttls_client postgres ADDRESS AUTHORITIES require|prefer QUERY\n"
                 "       starttls_client smtp ADDRESS AUTHORITIES FROM TO < MESSAGE\n";
    return 2;
  }
  const command given{words[0], words[1], words[2], {words[3], words[4]}};
  const auto app = [&](nursery& n) -> task<> {
    const auto talk = [&] { return (given.protocol == "smtp" ? smtp : postgres)(n, given); };
    co_await fail_after(20s, talk);
  };
  return run({.name = "starttls", .log = false}, app).finish();
}
