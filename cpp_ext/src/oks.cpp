#include "edge_pose/oks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "oks_pair.hpp"

namespace edge_pose {

OksPair::OksPair(const PosesView& a, const PosesView& b, const OksOptions& options)
    : a_(a), b_(b), options_(options), scales_(a.k) {
  for (std::size_t k = 0; k < a.k; ++k) {
    const double s = 2 * options.sigmas[k];
    scales_[k] = s * s;
  }
}

double OksPair::operator()(std::size_t i, std::size_t j) const {
  const std::size_t joints = scales_.size();
  const float *a = a_.xy + 2 * joints * i, *b = b_.xy + 2 * joints * j;
  // The smallest step above 0 that COCO's evaluation adds: an area of 0 must not divide.
  const double area = static_cast<double>((a_.areas[i] + b_.areas[j]) / 2) + std::numeric_limits<double>::epsilon();
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t k = 0; k < joints; ++k) {
    if (options_.visibility != Visibility::all) {
      if (!(b_.joint_scores[joints * j + k] > options_.visible)) continue;
      if (options_.visibility == Visibility::both && !(a_.joint_scores[joints * i + k] > options_.visible)) continue;
    }
    const float dx = b[2 * k] - a[2 * k], dy = b[2 * k + 1] - a[2 * k + 1];
    sum += std::exp(-static_cast<double>(dx * dx + dy * dy) / scales_[k] / area / 2);
    ++count;
  }
  return count == 0 || sum != sum ? 0.0 : sum / static_cast<double>(count);
}

void oks_matrix(const PosesView& a, const PosesView& b, const OksOptions& options, double* out) {
  const OksPair oks(a, b, options);
  for (std::size_t i = 0; i < a.n; ++i) {
    for (std::size_t j = 0; j < b.n; ++j) *out++ = oks(i, j);
  }
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
