// says: these layers do not fit
#include "actors/creche.hpp"

auto stack =
    creche::tcp("127.0.0.1:1") / creche::lines(creche::line_end::lf) / creche::length_prefix(4);
