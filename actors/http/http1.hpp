// http1.hpp: an HTTP/1.1 server as a layer: requests in, responses out, bodies under flow control.
//
// Every request is a task of its own, a child of its connection's stack: it may await anything, and
// is cancelled when its connection is lost. Responses go out in the order of the requests. A
// handler is called on the loop of its connection; with several loops, on several threads at a
// time.
#pragma once

#include "actors/http/answered.hpp"
#include "actors/http/body.hpp"
#include "actors/http/request.hpp"
#include "actors/http/response.hpp"
#include "actors/http/server.hpp"
#include "actors/http/timeouts.hpp"
#include "actors/http/writer.hpp"
