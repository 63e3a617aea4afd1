#include "edge_pose/parametric_nms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "best_first.hpp"
#include "pose_extents.hpp"
#include "vectors.hpp"

namespace edge_pose {

namespace {

constexpr float UNSEEN = 1e-5F;  // stands for a joint score of 0, so that weights never sum to 0

// The least float whose root is not below r, or is above it: d < r is then squared < bound, without the root.
float squared_bound(float r, bool above) {
  const auto beyond = [&](float squared) { return above ? std::sqrt(squared) > r : !(std::sqrt(squared) < r); };
  if (!(r >= 0)) return 0;  // nothing is closer than that
  if (r > 1e18F) return std::numeric_limits<float>::infinity();
  if (r > 0 && r < 1e-15F) return 1e-30F;  // no two coordinates differ by less; r * r would vanish
  float bound = r * r;
  while (!beyond(bound)) bound = std::nextafter(bound, std::numeric_limits<float>::infinity());
  while (bound > 0 && beyond(std::nextafter(bound, 0.0F))) bound = std::nextafter(bound, 0.0F);
  return bound;
}

class ParametricNms {
 public:
  ParametricNms(const CandidatesView& c, const ParametricNmsOptions& o)
      : c_(c),
        o_(o),
        padded_((c.k + 7) / 8 * 8),
        scores_(c.joint_scores, c.joint_scores + c.n * c.k),
        order_(order()),
        values_(c.n * 2 * padded_, NOT_A_NUMBER),
        extents_(c.n),
        score_bound_(squared_bound(o.score_radius, true)) {
    for (std::size_t i = 0; i < c.n; ++i) fill(i);
  }

  MergedPoses run() {
    out_.offsets.push_back(0);
    with_simd([&]() __attribute__((always_inline)) { clusters(); });
    return std::move(out_);
  }

 private:
  // Everything below speaks of ranks: candidate order_[i] is the i-th best.
  std::vector<std::size_t> order() {
    std::replace(scores_.begin(), scores_.end(), 0.0F, UNSEEN);
    BestFirst best;
    best.reserve(c_.n);
    for (std::size_t i = 0; i < c_.n; ++i) {
      float sum = 0;
      for (std::size_t k = 0; k < c_.k; ++k) sum += scores_[i * c_.k + k];
      best.push(sum / static_cast<float>(c_.k));
    }
    std::vector<std::size_t> indices;
    indices.reserve(c_.n);
    for (std::size_t i; best.next(i);) indices.push_back(i);
    return indices;
  }

  void fill(std::size_t i) {
    const float* xy = c_.xy + 2 * c_.k * order_[i];
    float* to = &values_[2 * padded_ * i];
    for (std::size_t k = 0; k < c_.k; ++k) {
      to[k] = xy[2 * k];
      to[padded_ + k] = xy[2 * k + 1];
    }
    extents_.set(i, xy, c_.k, 0);
  }

  EDGE_POSE_INLINE void clusters() {
    std::vector<char> gone(c_.n, 0);
    std::vector<std::size_t> cluster;
    for (std::size_t i = 0; i < c_.n; ++i) {
      if (gone[i] != 0) continue;
      const float r = std::min(radius(i), o_.match_cap);
      const Bounds bounds = bounds_of(r);
      cluster.assign(1, order_[i]);
      const auto leave = [&](std::size_t j) __attribute__((always_inline)) {
        if (!same_person(i, j, bounds)) return;
        cluster.push_back(order_[j]);
        gone[j] = 1;
        extents_.remove(j);
      };
      if (bounds.reach < std::numeric_limits<float>::infinity()) {
        extents_.for_near(i, i + 1, bounds.reach * bounds.reach, 0, leave);
      } else {
        for (std::size_t j = i + 1; j < c_.n; ++j) {
          if (gone[j] == 0) leave(j);
        }
      }
      std::sort(cluster.begin(), cluster.end());
      if (best_joint(order_[i]) >= o_.score_threshold) merge(order_[i], cluster);
    }
  }

  struct Bounds {
    float match;    // squared distance below which joints match
    float far;      // mu * exp(-d / delta2) is at most this where they do not
    float nearest;  // and this everywhere
    float reach;    // extents farther apart than this are never the same person's
  };

  Bounds bounds_of(float match_radius) const {
    Bounds b;
    b.match = squared_bound(match_radius, false);
    b.nearest = std::max(o_.mu, 0.0F);
    b.far = b.nearest * std::exp(-std::max(match_radius, 0.0F) / o_.delta2);
    // Beyond it no joint matches, none is within the score radius, and the distance term is too small by itself.
    const float joints = static_cast<float>(c_.k);
    const float alone = o_.delta2 * std::log(b.nearest * joints / (o_.gamma * 0.999F));
    b.reach = 1.001F * std::max({match_radius, o_.score_radius, b.nearest > 0 ? alone : 0.0F, 1e-3F});
    if (!(o_.gamma > 0) || o_.match_joints == 0 || b.reach != b.reach) b.reach = std::numeric_limits<float>::infinity();
    return b;
  }

  float radius(std::size_t i) const {
    const float* b = c_.boxes + 4 * order_[i];
    return o_.alpha * std::max(b[2] - b[0], b[3] - b[1]);
  }

  EDGE_POSE_INLINE bool same_person(std::size_t i, std::size_t j, const Bounds& bounds) const {
    const float *a = &values_[2 * padded_ * i], *b = &values_[2 * padded_ * j];
    I32x8 matches = {}, scored = {};
    for (std::size_t k = 0; k < padded_; k += 8) {
      F32x8 dx, dy, other;
      load(dx, a + k);
      load(other, b + k);
      dx -= other;
      load(dy, a + padded_ + k);
      load(other, b + padded_ + k);
      dy -= other;
      const F32x8 squared = dx * dx + dy * dy;
      matches -= squared < bounds.match;  // true is -1; the padding is NaN
      scored -= squared < score_bound_;
    }
    std::int32_t matching = 0, scoring = 0;
    for (std::size_t lane = 0; lane < 8; ++lane) {
      matching += matches[lane];
      scoring += scored[lane];
    }
    if (static_cast<std::size_t>(matching) >= o_.match_joints) return true;
    // A tanh is at most 1. Only what may reach gamma is worth its exponentials.
    const float most = static_cast<float>(scoring) + static_cast<float>(matching) * bounds.nearest +
                       (static_cast<float>(c_.k) - static_cast<float>(matching)) * bounds.far;
    return most > o_.gamma - 1e-3F * std::abs(o_.gamma) && similarity(i, j) > o_.gamma;
  }

  float similarity(std::size_t i, std::size_t j) const {
    const float *a = &values_[2 * padded_ * i], *b = &values_[2 * padded_ * j];
    const float *score_a = &scores_[c_.k * order_[i]], *score_b = &scores_[c_.k * order_[j]];
    float sum = 0;
    for (std::size_t k = 0; k < c_.k; ++k) {
      const float dx = a[k] - b[k], dy = a[padded_ + k] - b[padded_ + k], squared = dx * dx + dy * dy;
      if (squared != squared) continue;
      if (squared < score_bound_) sum += std::tanh(score_a[k] / o_.delta1) * std::tanh(score_b[k] / o_.delta1);
      sum += o_.mu * std::exp(-std::sqrt(squared) / o_.delta2);
    }
    return sum;
  }

  // NaN when any score is.
  float best_joint(std::size_t candidate) const {
    const float* scores = &scores_[candidate * c_.k];
    float best = scores[0];
    for (std::size_t k = 1; k < c_.k; ++k) best = scores[k] > best || scores[k] != scores[k] ? scores[k] : best;
    return best;
  }

  void merge(std::size_t chosen, const std::vector<std::size_t>& cluster) {
    const float side =
        std::max(c_.boxes[4 * chosen + 2] - c_.boxes[4 * chosen], c_.boxes[4 * chosen + 3] - c_.boxes[4 * chosen + 1]);
    const float bound = squared_bound(std::min(o_.alpha * side, o_.merge_cap), true);
    const std::size_t joints = c_.k, at = out_.joint_scores.size();
    out_.xy.resize(2 * (at + joints));
    out_.joint_scores.resize(at + joints);
    float *xy = &out_.xy[2 * at], *scores = &out_.joint_scores[at];
    const float *own_xy = c_.xy + 2 * joints * chosen, *own_scores = &scores_[joints * chosen];
    for (std::size_t k = 0; k < joints; ++k) {
      double weight = 0, x = 0, y = 0, squares = 0;
      for (const std::size_t j : cluster) {
        const float* to = c_.xy + 2 * (j * joints + k);
        const float dx = own_xy[2 * k] - to[0], dy = own_xy[2 * k + 1] - to[1];
        if (!(dx * dx + dy * dy < bound) && j != chosen) continue;
        const double w = static_cast<double>(scores_[j * joints + k]);
        weight += w;
        squares += w * w;
        x += w * static_cast<double>(to[0]);
        y += w * static_cast<double>(to[1]);
      }
      const bool good = weight > 0;  // not so where scores are negative or NaN: the chosen joint stays as it is
      xy[2 * k] = good ? static_cast<float>(x / weight) : own_xy[2 * k];
      xy[2 * k + 1] = good ? static_cast<float>(y / weight) : own_xy[2 * k + 1];
      scores[k] = good ? static_cast<float>(squares / weight) : own_scores[k];
    }
    if (enlarged_area(xy, joints) < o_.area_threshold) {
      out_.xy.resize(2 * at);
      out_.joint_scores.resize(at);
      return;
    }
    out_.boxes.insert(out_.boxes.end(), c_.boxes + 4 * chosen, c_.boxes + 4 * chosen + 4);
    out_.box_scores.push_back(c_.box_scores[chosen]);
    out_.picked.push_back(static_cast<std::int64_t>(chosen));
    out_.merged.insert(out_.merged.end(), cluster.begin(), cluster.end());
    out_.offsets.push_back(static_cast<std::int64_t>(out_.merged.size()));
  }

  static float enlarged_area(const float* xy, std::size_t joints) {
    float low[2] = {xy[0], xy[1]}, high[2] = {xy[0], xy[1]};
    for (std::size_t i = 2; i < 2 * joints; ++i) {
      low[i % 2] = std::min(low[i % 2], xy[i]);
      high[i % 2] = std::max(high[i % 2], xy[i]);
    }
    return 1.5F * 1.5F * (high[0] - low[0]) * (high[1] - low[1]);
  }

  CandidatesView c_;
  ParametricNmsOptions o_;
  std::size_t padded_;
  std::vector<float> scores_;  // [n][k], by candidate
  std::vector<std::size_t> order_;
  std::vector<float> values_;  // by rank: x, y, padded with NaN
  Extents extents_;
  float score_bound_;
  MergedPoses out_;
};

}  // namespace

MergedPoses pose_nms(const CandidatesView& candidates, const ParametricNmsOptions& options) {
  return ParametricNms(candidates, options).run();
}

}  // namespace edge_pose
