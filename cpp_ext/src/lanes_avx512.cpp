// The loops of lanes.hpp with AVX-512.
#include "lanes.hpp"

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq")
#endif

#define EDGE_POSE_VECTOR_BYTES 64
#include "lanes_loops.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace edge_pose {

const Lanes lanes_avx512 = {blur, sum_of_powers, any_at_least, widen};

}  // namespace edge_pose

#endif
