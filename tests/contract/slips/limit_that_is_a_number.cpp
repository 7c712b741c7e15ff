// says: the limit of a request is a duration: 2s, 500ms
#include "actors/creche.hpp"

creche::task<> work(creche::child whom) {
  int x = co_await creche::ask<int>(whom, 5, 2);
  (void)x;
}
