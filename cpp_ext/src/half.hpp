// IEEE half precision to single, on any machine.
#pragma once

#include <cstdint>
#include <cstring>

namespace edge_pose {

inline float float_from_half(std::uint16_t half) {
  const std::uint32_t magnitude = half & 0x7FFFU, sign = (half & 0x8000U) << 16;
  std::uint32_t bits;
  if (magnitude >= 0x7C00U) {
    bits = 0x7F800000U | ((magnitude & 0x3FFU) << 13);  // infinity and NaN
  } else if (magnitude >= 0x0400U) {
    bits = (magnitude << 13) + 0x38000000U;  // the exponent's bias grows by 112
  } else {
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-08F;  // subnormal: units of 2^-24
    std::memcpy(&bits, &value, sizeof bits);
  }
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace edge_pose
