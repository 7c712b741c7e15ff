// says: a handler is called with an http1::request& and returns a task<http1::response>
#include "actors/creche.hpp"

auto answer(creche::http1::request&) -> creche::task<std::string> { co_return "x"; }
auto server = creche::http1::server(answer);
