// says: a channel stays where it is: pass it by reference
#include "actors/creche.hpp"

creche::channel<int> a(1);
creche::channel<int> b = a;
