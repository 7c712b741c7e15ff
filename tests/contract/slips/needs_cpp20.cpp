// says: creche needs C++20: build with -std=c++20
// flags: -std=c++17
#include "actors/creche.hpp"
