// Joints from SimCC / SimDR: one vector of bins per axis, split_ratio bins to an input pixel.
#pragma once

#include <cstddef>

#include "edge_pose/keypoints.hpp"

namespace edge_pose {

// x [N][K][wx] and y [N][K][wy], borrowed, dense; wx and wy at least 1.
struct VectorsView {
  const float *x, *y;
  std::size_t n, k, wx, wy;
};

enum class SimccScore { MIN, MEAN, MAX };  // of the two axes: MMPose, rtmlib, SimDR

struct SimccOptions {
  double split_ratio = 2;
  SimccScore score = SimccScore::MIN;
  bool softmax = false;  // scores from exp(gain * v) / sum; the peak's bin does not change
  double gain_x = 1, gain_y = 1;
  int blur_x = 0, blur_y = 0;  // kernel sizes of DARK's refinement on each axis, odd; 0: not refined
};

// The first greatest bin of each axis. A joint whose score is not positive is not found: bin (-1, -1), carried to the
// frame like any other. NaN bins never win. Scores are raw values unless softmax is asked for.
void decode_simcc(const VectorsView& vectors, const double* frame_from_input, const SimccOptions& options, Joints out);

}  // namespace edge_pose
