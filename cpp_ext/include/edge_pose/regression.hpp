// Joints from networks that give coordinates: RLE regression heads and MoveNet's exported (y, x, score) rows.
#pragma once

#include <cstddef>

#include "edge_pose/keypoints.hpp"

namespace edge_pose {

// N x K rows of `channels` values: x, y in units of the input's size, then (channels == 4) the two sigmas.
struct CoordsView {
  const float* data;
  const float* sigma;  // [N][K][2], or null
  std::size_t n, k, channels;
};

enum class Origin { CORNER, CENTER };  // coordinates in 0..1 from the corner, or -0.5..0.5 round the centre

// Scores are mean(1 - sigma), or 1 where there is no sigma. A joint with a coordinate that is not finite goes to the
// input's centre with score 0.
void decode_regression(const CoordsView& coords, const double* frame_from_input, double input_h, double input_w,
                       Origin origin, Joints out);

// yxs [N][K][3]: y and x in units of the input's size, score, which is put into [0, 1]. Not-finite coordinates as
// above.
void decode_movenet(const float* yxs, std::size_t n, std::size_t k, const double* frame_from_input, double input_h,
                    double input_w, Joints out);

}  // namespace edge_pose
