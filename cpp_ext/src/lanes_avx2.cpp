// The loops of lanes.hpp with AVX2.
#include "lanes.hpp"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define EDGE_POSE_VECTOR_BYTES 32
#include "lanes_loops.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace edge_pose {

const Lanes lanes_avx2 = {blur, sum_of_powers, any_at_least, widen};

}  // namespace edge_pose

#endif
