// says: creche needs exceptions: build without -fno-exceptions
// flags: -fno-exceptions
#include "actors/creche.hpp"
