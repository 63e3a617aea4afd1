#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "best_first.hpp"
#include "edge_pose/oks.hpp"
#include "oks_lanes.hpp"
#include "pose_extents.hpp"

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

Extents extents_of(const PosesView& poses, const std::vector<std::size_t>& rows) {
  Extents extents(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float area = poses.areas == nullptr ? 0.0F : poses.areas[rows[i]];
    extents.set(i, poses.xy + 2 * poses.k * rows[i], poses.k, area);
  }
  return extents;
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
  const std::vector<std::size_t> order = sorted(scores, poses.n);
  const OksLanes lanes(poses, options, order);
  const Oks oks(poses.k, options);
  Extents extents = extents_of(poses, order);
  std::vector<char> gone(poses.n, 0);
  std::vector<std::int64_t> kept;
  with_simd([&]() __attribute__((always_inline)) {
    const float slope = oks.slope(threshold);
    const OksFloor floor(threshold);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (gone[i] != 0) continue;
      kept.push_back(static_cast<std::int64_t>(order[i]));
      extents.for_near(i, i + 1, Oks::base(), slope, [&](std::size_t j) __attribute__((always_inline)) {
        if (!(oks(lanes, i, lanes, j, floor) > threshold)) return;
        gone[j] = 1;
        extents.remove(j);
      });
    }
  });
  return kept;
}

Rescored soft_oks_nms(const PosesView& poses, const float* scores, const OksOptions& options, double threshold,
                      std::size_t max_poses) {
  const std::size_t n = poses.n, most = std::min(n, max_poses);
  std::vector<std::size_t> rows(n);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  const OksLanes lanes(poses, options, rows);
  const Oks oks(poses.k, options);
  Extents extents = extents_of(poses, rows);
  std::vector<double> score(scores, scores + n);
  std::vector<char> chosen(n, 0);
  // A similarity below this leaves a score as it is: exp(-x) is 1 in float64 for every x < 2^-54.
  const double least = 7e-9 * std::sqrt(std::min(threshold, 1.0));
  Rescored result;
  with_simd([&]() __attribute__((always_inline)) {
    const float slope = oks.slope(least);
    const OksFloor floor(least);
    for (std::size_t round = 0; round < most; ++round) {
      std::size_t best = n;
      for (std::size_t j = 0; j < n; ++j) {
        if (chosen[j] != 0) continue;
        if (best == n || score[j] > score[best] || (score[best] != score[best] && score[j] == score[j])) best = j;
      }
      chosen[best] = 1;
      result.kept.push_back(static_cast<std::int64_t>(best));
      result.scores.push_back(static_cast<float>(score[best]));
      extents.for_near(best, 0, Oks::base(), slope, [&](std::size_t j) __attribute__((always_inline)) {
        if (chosen[j] != 0) return;
        const double overlap = oks(lanes, best, lanes, j, floor);
        if (overlap == 0) return;
        score[j] *= std::exp(-overlap * overlap / threshold);
      });
      extents.remove(best);
    }
  });
  return result;
}

std::vector<std::int64_t> nearby_joints_nms(const PosesView& poses, const float* scores, double distance,
                                            std::size_t min_joints, std::size_t max_poses) {
  const std::size_t joints = poses.k;
  const std::vector<std::size_t> order = sorted(scores, poses.n);
  const auto joints_of = [&](std::size_t rank) { return poses.xy + 2 * joints * order[rank]; };
  const Extents extents = extents_of(poses, order);
  std::vector<char> silenced(poses.n, 0);
  std::vector<std::size_t> near, kept;  // ranks
  with_simd([&]() __attribute__((always_inline)) {
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      if (silenced[rank] != 0) continue;
      const float* a = joints_of(rank);
      const double radius = diagonal(a, joints) * distance;
      near.assign(1, rank);
      const auto look = [&](std::size_t other) __attribute__((always_inline)) {
        const float* b = joints_of(other);
        std::size_t count = 0;
        for (std::size_t k = 0; k < joints; ++k) {
          const float dx = a[2 * k] - b[2 * k], dy = a[2 * k + 1] - b[2 * k + 1];
          count += static_cast<double>(std::sqrt(dx * dx + dy * dy)) < radius ? 1U : 0U;
        }
        if (count > min_joints) near.push_back(other);
      };
      extents.for_near(rank, 0, static_cast<float>(radius * radius * 1.001), 0, look);
      const std::size_t best = *std::min_element(near.begin(), near.end());
      if (silenced[best] != 0) continue;
      kept.push_back(best);
      for (const std::size_t other : near) silenced[other] = 1;
    }
  });
  if (kept.size() > max_poses) {
    std::sort(kept.begin(), kept.end());
    kept.resize(max_poses);
  }
  std::vector<std::int64_t> indices;
  for (const std::size_t rank : kept) indices.push_back(static_cast<std::int64_t>(order[rank]));
  return indices;
}

}  // namespace edge_pose
