// says: a handler is called with a connection& and returns a task<>
#include "actors/creche.hpp"

creche::task<> serve(creche::connection c) { co_await c.send("x"); }
auto service = creche::listener("127.0.0.1:1", creche::lines(creche::line_end::lf), serve);
