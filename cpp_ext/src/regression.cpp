#include "edge_pose/regression.hpp"

#include <cmath>

namespace edge_pose {
namespace {

// x and y are fractions of the input measured from its corner.
void put_joint(const double* matrix, double x, double y, float score, double h, double w, std::size_t row, Joints out) {
  if (!std::isfinite(x) || !std::isfinite(y)) {
    x = y = 0.5;
    score = 0;
  }
  put_point(matrix, x * w, y * h, out.xy + 2 * row);
  out.scores[row] = score;
}

}  // namespace

void decode_regression(const CoordsView& coords, const double* frame_from_input, double input_h, double input_w,
                       Origin origin, Joints out) {
  const double shift = origin == Origin::CENTER ? 0.5 : 0.0;
  for (std::size_t row = 0; row < coords.n * coords.k; ++row) {
    const float* joint = coords.data + row * coords.channels;
    const float* sigma = coords.channels == 4 ? joint + 2 : coords.sigma ? coords.sigma + 2 * row : nullptr;
    const float score = sigma ? ((1.0F - sigma[0]) + (1.0F - sigma[1])) * 0.5F : 1.0F;
    put_joint(frame_from_input + row / coords.k * 6, static_cast<double>(joint[0]) + shift,
              static_cast<double>(joint[1]) + shift, score, input_h, input_w, row, out);
  }
}

void decode_movenet(const float* yxs, std::size_t n, std::size_t k, const double* frame_from_input, double input_h,
                    double input_w, Joints out) {
  for (std::size_t row = 0; row < n * k; ++row) {
    const float* joint = yxs + 3 * row;
    put_joint(frame_from_input + row / k * 6, static_cast<double>(joint[1]), static_cast<double>(joint[0]),
              to_unit(joint[2]), input_h, input_w, row, out);
  }
}

}  // namespace edge_pose
