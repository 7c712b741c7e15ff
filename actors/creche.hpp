// The whole of creche in one include. Installed it is <creche/creche.hpp>.
// Light by contract: at most 45 000 preprocessed lines, no CAF, asio or Boost header.
#pragma once

#include "actors/http1.hpp"
#include "actors/listener.hpp"
#include "runtime/channel.hpp"
#include "runtime/child.hpp"
#include "runtime/clock.hpp"
#include "runtime/event.hpp"
#include "runtime/failure.hpp"
#include "runtime/nursery.hpp"
#include "runtime/outcome.hpp"
#include "runtime/parking.hpp"
#include "runtime/restart.hpp"
#include "runtime/run.hpp"
#include "runtime/scope.hpp"
#include "runtime/shared_channel.hpp"
#include "runtime/shared_event.hpp"
#include "runtime/slice.hpp"
#include "runtime/task.hpp"
#include "runtime/this_task.hpp"
#include "runtime/tree.hpp"
#include "runtime/unbounded_mailbox.hpp"
