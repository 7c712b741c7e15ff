// says: creche is built without ASIO_NO_DEPRECATED: build your units without it, too
// flags: -DASIO_NO_DEPRECATED
#include "actors/creche.hpp"
