// says: creche needs run-time types: build without -fno-rtti
// flags: -fno-rtti
#include "actors/creche.hpp"
