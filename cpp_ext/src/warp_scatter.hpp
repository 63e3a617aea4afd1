// Affine crops with rotation or shear: every output pixel has taps of its own. Internal.
#pragma once

#include <vector>

#include "warp_frame.hpp"
#include "warp_output.hpp"
#include "warp_scalar.hpp"

namespace edge_pose::warp {

// Rows [y0, y1) of picture n: output (x, y) samples the frame at across . (x, y, 1), down . (x, y, 1) in index
// coordinates. All six are within +-2^41. patch: memory to use.
void warp_scattered(const Kernels& kernels, const Frame& frame, const double* across, const double* down,
                    const Output& out, int fill, int n, int y0, int y1, std::vector<std::uint8_t>& patch);

}  // namespace edge_pose::warp
