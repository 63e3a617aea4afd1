#include "edge_pose/movenet.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace edge_pose {
namespace {

constexpr float SOFTENING = 1.8F;  // keeps the weight finite at distance 0; Google's constant

const float* channel(const MovenetHead& head, std::size_t cells, std::size_t row, std::size_t index) {
  return head.data + row * head.channels * cells + index * head.channel_step;
}

float probability(float value, bool logits) { return logits ? 1.0F / (1.0F + std::exp(-value)) : value; }

// A lower bound of the values whose probability reaches p, a little too low so that rounding cannot hide a candidate.
float value_at(double p, bool logits) {
  if (!logits) return static_cast<float>(p * (1 - 1e-6));
  if (p <= 0) return -std::numeric_limits<float>::infinity();
  if (p >= 1) return 15.0F;  // float32 sigmoids are 1 from 16.6 on
  return static_cast<float>(std::log(p / (1 - p)) - 1e-3 - 1e-6 / (1 - p));
}

struct Candidate {
  std::size_t cell = 0;
  float weighted = -1;  // below any candidate's
  float score = 0;
};

// The first greatest of probability / (distance to (y, x) + SOFTENING) among cells of at least min_score.
Candidate best_near(const float* map, std::size_t step, std::size_t h, std::size_t w, float y, float x,
                    const MovenetOptions& options, float min_score) {
  Candidate best;
  for (std::size_t row = 0; row < h; ++row) {
    const float dy = static_cast<float>(row) - y;
    // Nothing below this can win in this row: the row's own distance is the least there is.
    const double needed = static_cast<double>(best.weighted) * (std::fabs(static_cast<double>(dy)) + 1.8);
    const float least = value_at(needed, options.logits);
    const float* cells = map + row * w * step;
    for (std::size_t column = 0; column < w; ++column) {
      const float value = cells[column * step];
      if (!(value >= least)) continue;
      const float score = probability(value, options.logits);
      if (!(score >= min_score)) continue;
      const float dx = static_cast<float>(column) - x;
      const float weighted = score / (std::sqrt(dy * dy + dx * dx) + SOFTENING);
      if (weighted > best.weighted) best = {row * w + column, weighted, score};
    }
  }
  return best;
}

double finite_or_zero(float value) { return std::isfinite(value) ? static_cast<double>(value) : 0.0; }

float regressed(float cells, std::size_t from, bool whole_cells) {
  if (!std::isfinite(cells)) cells = 0;
  return static_cast<float>(from) + (whole_cells ? std::trunc(cells + 0.5F) : cells);
}

}  // namespace

void decode_movenet_heads(const MovenetHeads& heads, const double* frame_from_input, const MovenetOptions& options,
                          Joints out) {
  const std::size_t cells = heads.h * heads.w;
  const std::size_t x_at = options.y_first ? 1 : 0;
  for (std::size_t row = 0; row < heads.n; ++row) {
    const std::size_t center =
        best_near(channel(heads.center, cells, row, 0), heads.center.cell_step, heads.h, heads.w,
                  static_cast<float>(heads.h / 2), static_cast<float>(heads.w / 2), options, 0.0F)
            .cell;
    for (std::size_t k = 0; k < heads.k; ++k) {
      const auto pair = [&](const MovenetHead& head, std::size_t which, std::size_t cell) {
        return channel(head, cells, row, 2 * k + which)[cell * head.cell_step];
      };
      const float x = regressed(pair(heads.regression, x_at, center), center % heads.w, options.whole_cells);
      const float y = regressed(pair(heads.regression, 1 - x_at, center), center / heads.w, options.whole_cells);
      const Candidate best = best_near(channel(heads.heatmaps, cells, row, k), heads.heatmaps.cell_step, heads.h,
                                       heads.w, y, x, options, std::max(options.min_score, 0.0F));
      double at_x = static_cast<double>(x), at_y = static_cast<double>(y);
      if (best.weighted >= 0) {
        at_x = static_cast<double>(best.cell % heads.w) + finite_or_zero(pair(heads.offsets, x_at, best.cell));
        at_y = static_cast<double>(best.cell / heads.w) + finite_or_zero(pair(heads.offsets, 1 - x_at, best.cell));
      }
      const std::size_t joint = row * heads.k + k;
      out.scores[joint] = best.score;
      put_point(frame_from_input + row * 6, at_x * options.stride, at_y * options.stride, out.xy + 2 * joint);
    }
  }
}

}  // namespace edge_pose
