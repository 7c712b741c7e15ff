// says: g++ 12 miscompiles coroutines: -fno-tree-slp-vectorize -DCRECHE_WITHOUT_SLP_VECTORIZER
// flags: -O2 -UCRECHE_WITHOUT_SLP_VECTORIZER
// refused by: g++ 1-12
#include "actors/creche.hpp"
