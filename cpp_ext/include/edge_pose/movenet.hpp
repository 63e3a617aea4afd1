// Google's MoveNet decoder, from the four raw heads of one network. The centre map picks the person, the regression at
// its peak says where each joint should be, the heatmaps near there say where it is, the offsets place it in its cell.
#pragma once

#include <cstddef>

#include "edge_pose/keypoints.hpp"

namespace edge_pose {

// N x H x W cells of C channels, borrowed: a value is at n * C*H*W + channel * channel_step + cell * cell_step.
struct MovenetHead {
  const float* data;
  std::size_t channels, channel_step, cell_step;
};

// Heads of one network: center (1 channel), regression and offsets (2K), heatmaps (K); h, w and k at least 1.
struct MovenetHeads {
  MovenetHead center, regression, heatmaps, offsets;
  std::size_t n, k, h, w;
};

struct MovenetOptions {
  double stride = 4;         // input pixels per cell
  bool y_first = true;       // channel pairs are (y, x); false: (x, y)
  bool logits = true;        // centre and heatmaps want a sigmoid; false: they are probabilities
  bool whole_cells = false;  // regressions are truncated to whole cells, trunc(r + 0.5)
  float min_score = 0;       // heatmap cells below are no candidates; at least 0
  float fall_off = 1.8F;     // cells; above 0: the greater, the farther a joint may be from its regressed place
  bool votes = false;        // the cells around a joint's also say where it is
};

// Centre: the first greatest of probability / (distance to cell (H/2, W/2) + 1.8), in cells, / rounding down.
// Joint: the first greatest of probability / (distance to the regressed place + fall_off) among the candidates; its
// place is (cell + offset) * stride input pixels, its score the probability there. With votes its place is
// the mean of those of this cell and the up to eight around it, weighed by their squared probabilities, this cell by
// 1e-6 more. Without a candidate the joint is at its regressed place with score 0. Not-a-number never wins and has no
// vote; offsets that are not finite count as 0.
void decode_movenet_heads(const MovenetHeads& heads, const double* frame_from_input, const MovenetOptions& options,
                          Joints out);

}  // namespace edge_pose
