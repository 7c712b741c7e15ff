// says: an argument of a task must not throw from its destructor: a local may
#include "actors/creche.hpp"

struct flushed_at_the_end {
  ~flushed_at_the_end() noexcept(false);
};
creche::task<> work(flushed_at_the_end) { co_return; }
