// The loops for any machine, and the choice among the versions.
#include "lanes.hpp"

#include "edge_pose/simd.hpp"

#define EDGE_POSE_VECTOR_BYTES 16
#include "lanes_loops.hpp"

namespace edge_pose {

const Lanes lanes_portable = {blur, sum_of_powers, any_at_least, widen};

const Lanes& lanes() {
  switch (simd_level()) {
#if defined(__x86_64__)
    case Simd::avx512:
      return lanes_avx512;
    case Simd::avx2:
      return lanes_avx2;
#endif
    default:
      return lanes_portable;
  }
}

}  // namespace edge_pose
