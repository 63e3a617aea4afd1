#include "edge_pose/oks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "oks_lanes.hpp"

namespace edge_pose {

void oks_matrix(const PosesView& a, const PosesView& b, const OksOptions& options, double* out) {
  std::vector<std::size_t> a_rows(a.n), b_rows(b.n);
  std::iota(a_rows.begin(), a_rows.end(), std::size_t{0});
  std::iota(b_rows.begin(), b_rows.end(), std::size_t{0});
  const OksLanes left(a, options, a_rows), right(b, options, b_rows);
  const Oks oks(a.k, options);
  const OksFloor floor(0);
  with_simd([&]() __attribute__((always_inline)) {
    for (std::size_t i = 0; i < a.n; ++i) {
      for (std::size_t j = 0; j < b.n; ++j) *out++ = oks(left, i, right, j, floor);
    }
  });
}

namespace {

double beyond(double value, double low, double high) {
  return std::max(0.0, low - value) + std::max(0.0, value - high);
}

}  // namespace

void coco_oks(const CocoPoses& poses, const double* sigmas, double* out) {
  const std::size_t joints = poses.k;
  for (std::size_t i = 0; i < poses.d; ++i) {
    for (std::size_t j = 0; j < poses.g; ++j) {
      const double *dt = poses.dt_xy + 2 * joints * i, *gt = poses.gt_xy + 2 * joints * j;
      const std::uint8_t* labelled = poses.gt_labelled + joints * j;
      const double* box = poses.gt_boxes + 4 * j;
      const double area = poses.gt_areas[j] + std::numeric_limits<double>::epsilon();
      const bool by_joints = std::any_of(labelled, labelled + joints, [](std::uint8_t v) { return v != 0; });
      double sum = 0;
      std::size_t count = 0;
      for (std::size_t k = 0; k < joints; ++k) {
        if (by_joints && labelled[k] == 0) continue;
        double dx = dt[2 * k] - gt[2 * k], dy = dt[2 * k + 1] - gt[2 * k + 1];
        if (!by_joints) {
          dx = beyond(dt[2 * k], box[0] - box[2], box[0] + 2 * box[2]);
          dy = beyond(dt[2 * k + 1], box[1] - box[3], box[1] + 2 * box[3]);
        }
        const double scale = 2 * sigmas[k];
        sum += std::exp(-(dx * dx + dy * dy) / (scale * scale) / area / 2);
        ++count;
      }
      *out++ = count == 0 ? 0.0 : sum / static_cast<double>(count);
    }
  }
}

}  // namespace edge_pose
