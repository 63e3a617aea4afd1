// Rows that are only copied. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edge_pose/simd.hpp"

namespace edge_pose::warp {

// `count` pixels of three bytes from one place to another that does not overlap it, the first and last byte of each
// exchanged where `swap`.
void copy_pixels(Simd level, const std::uint8_t* from, std::uint8_t* to, std::ptrdiff_t count, bool swap);

}  // namespace edge_pose::warp
