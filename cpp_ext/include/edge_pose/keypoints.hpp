// What the keypoint decoders share: how joints leave them, and the search for a peak.
//
// Every decoder takes one affine matrix per row, float64 [N][2][3], from its own coordinates to the caller's frame, and
// writes xy [N][K][2] float32 (x first) and scores [N][K] float32. Nothing is written when N or K is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace edge_pose {

// Where a decoder writes; both borrowed.
struct Joints {
  float* xy;
  float* scores;
};

inline float to_float(double value) {
  constexpr double MOST = std::numeric_limits<float>::max();
  return static_cast<float>(value > MOST ? MOST : value < -MOST ? -MOST : value);
}

// A probability: what is beyond [0, 1] by rounding or by mistake is put back, not-a-number is 0.
inline float to_unit(float value) { return value > 0 ? value < 1 ? value : 1.0F : 0.0F; }

// (x, y) of a decoder's own coordinates, through the row-major 2x3 matrix m, to out[0..1]; rounded to float32 once, and
// finite wherever x, y and m are.
inline void put_point(const double* m, double x, double y, float* out) {
  out[0] = to_float(m[0] * x + m[1] * y + m[2]);
  out[1] = to_float(m[3] * x + m[4] * y + m[5]);
}

// The greatest of some values, and where it is.
struct Peak {
  float value;
  std::size_t index;
};

// The first greatest of n values. NaN never wins; where no value is greater than -inf, {0, 0}.
// The answer is the same at every level of simd.hpp.
Peak find_peak(const float* values, std::size_t n);
Peak find_peak(const std::uint16_t* halves, std::size_t n);  // IEEE half precision

}  // namespace edge_pose
