#include "runtime/sync/channel.hpp"

namespace creche {

channel_closed::channel_closed() : system_error(make_error_code(errc::channel_closed)) {}

void detail::fail_channel_closed() { throw channel_closed(); }

} // namespace creche
