#include <algorithm>
#include <cmath>
#include <vector>

#include "best_first.hpp"
#include "edge_pose/oks.hpp"
#include "oks_pair.hpp"

namespace edge_pose {

namespace {

std::vector<std::size_t> sorted(const float* scores, std::size_t n) {
  BestFirst order;
  order.reserve(n);
  for (std::size_t i = 0; i < n; ++i) order.push(scores[i]);
  std::vector<std::size_t> indices;
  indices.reserve(n);
  for (std::size_t i; order.next(i);) indices.push_back(i);
  return indices;
}

// Of the upright box around the joints.
double diagonal(const float* xy, std::size_t joints) {
  float low[2] = {xy[0], xy[1]}, high[2] = {xy[0], xy[1]};
  for (std::size_t k = 1; k < joints; ++k) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
      low[axis] = std::min(low[axis], xy[2 * k + axis]);
      high[axis] = std::max(high[axis], xy[2 * k + axis]);
    }
  }
  const float w = high[0] - low[0], h = high[1] - low[1];
  return static_cast<double>(std::sqrt(w * w + h * h));
}

}  // namespace

std::vector<std::int64_t> oks_nms(const PosesView& poses, const float* scores, const OksOptions& options,
                                  double threshold) {
  const OksPair oks(poses, poses, options);
  std::vector<std::size_t> left = sorted(scores, poses.n);
  std::vector<std::int64_t> kept;
  while (!left.empty()) {
    const std::size_t best = left.front();
    kept.push_back(static_cast<std::int64_t>(best));
    left.erase(std::remove_if(left.begin() + 1, left.end(), [&](std::size_t j) { return oks(best, j) > threshold; }),
               left.end());
    left.erase(left.begin());
  }
  return kept;
}

Rescored soft_oks_nms(const PosesView& poses, const float* scores, const OksOptions& options, double threshold,
                      std::size_t max_poses) {
  const OksPair oks(poses, poses, options);
  std::vector<std::size_t> left = sorted(scores, poses.n);
  std::vector<double> score(scores, scores + poses.n);
  Rescored result;
  while (!left.empty() && result.kept.size() < max_poses) {
    const std::size_t best = left.front();
    left.erase(left.begin());
    result.kept.push_back(static_cast<std::int64_t>(best));
    result.scores.push_back(static_cast<float>(score[best]));
    for (const std::size_t j : left) {
      const double overlap = oks(best, j);
      score[j] *= std::exp(-overlap * overlap / threshold);
    }
    // NaN last; equals stay in the order they had.
    std::stable_sort(left.begin(), left.end(), [&](std::size_t a, std::size_t b) {
      return score[a] > score[b] || (score[a] == score[a] && score[b] != score[b]);
    });
  }
  return result;
}

std::vector<std::int64_t> nearby_joints_nms(const PosesView& poses, const float* scores, double distance,
                                            std::size_t min_joints, std::size_t max_poses) {
  const std::size_t joints = poses.k;
  const std::vector<std::size_t> order = sorted(scores, poses.n);
  std::vector<char> silenced(poses.n, 0);
  std::vector<std::size_t> near;
  std::vector<std::size_t> kept;  // ranks
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    if (silenced[rank] != 0) continue;
    const float* a = poses.xy + 2 * joints * order[rank];
    const double radius = diagonal(a, joints) * distance;
    near.clear();
    for (std::size_t other = 0; other < order.size(); ++other) {
      const float* b = poses.xy + 2 * joints * order[other];
      std::size_t count = 0;
      for (std::size_t k = 0; k < joints; ++k) {
        const float dx = a[2 * k] - b[2 * k], dy = a[2 * k + 1] - b[2 * k + 1];
        count += static_cast<double>(std::sqrt(dx * dx + dy * dy)) < radius ? 1U : 0U;
      }
      if (count > min_joints || other == rank) near.push_back(other);
    }
    if (silenced[near.front()] != 0) continue;
    kept.push_back(near.front());
    for (const std::size_t other : near) silenced[other] = 1;
  }
  if (kept.size() > max_poses) {
    std::sort(kept.begin(), kept.end());
    kept.resize(max_poses);
  }
  std::vector<std::int64_t> indices;
  for (const std::size_t rank : kept) indices.push_back(static_cast<std::int64_t>(order[rank]));
  return indices;
}

}  // namespace edge_pose
