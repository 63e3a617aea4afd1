#include "edge_pose/parametric_nms.hpp"

#include <algorithm>
#include <cmath>

#include "best_first.hpp"

namespace edge_pose {

namespace {

constexpr float UNSEEN = 1e-5F;  // stands for a joint score of 0, so that weights never sum to 0

class ParametricNms {
 public:
  ParametricNms(const CandidatesView& c, const ParametricNmsOptions& o)
      : c_(c), o_(o), scores_(c.joint_scores, c.joint_scores + c.n * c.k), confidence_(c.n * c.k) {
    std::replace(scores_.begin(), scores_.end(), 0.0F, UNSEEN);
    for (std::size_t i = 0; i < scores_.size(); ++i) confidence_[i] = std::tanh(scores_[i] / o.delta1);
  }

  MergedPoses run() {
    std::vector<std::size_t> left = order();
    std::vector<std::size_t> cluster, others;
    out_.offsets.push_back(0);
    while (!left.empty()) {
      const std::size_t chosen = left.front();
      cluster.clear();
      others.clear();
      for (const std::size_t j : left) (j == chosen || same_person(chosen, j) ? cluster : others).push_back(j);
      left.swap(others);
      std::sort(cluster.begin(), cluster.end());
      if (best_joint(chosen) >= o_.score_threshold) merge(chosen, cluster);
    }
    return std::move(out_);
  }

 private:
  std::vector<std::size_t> order() const {
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

  float radius(std::size_t i) const {
    const float* b = c_.boxes + 4 * i;
    return o_.alpha * std::max(b[2] - b[0], b[3] - b[1]);
  }

  float distance(std::size_t i, std::size_t j, std::size_t k) const {
    const float *a = c_.xy + 2 * (i * c_.k + k), *b = c_.xy + 2 * (j * c_.k + k);
    const float dx = a[0] - b[0], dy = a[1] - b[1];
    return std::sqrt(dx * dx + dy * dy);
  }

  bool same_person(std::size_t i, std::size_t j) const {
    const float match_radius = std::min(radius(i), o_.match_cap);
    float similarity = 0;
    std::size_t matches = 0;
    for (std::size_t k = 0; k < c_.k; ++k) {
      const float d = distance(i, j, k);
      if (d <= o_.score_radius) similarity += confidence_[i * c_.k + k] * confidence_[j * c_.k + k];
      similarity += o_.mu * std::exp(-d / o_.delta2);
      matches += d < match_radius ? 1U : 0U;
    }
    return similarity > o_.gamma || matches >= o_.match_joints;
  }

  // NaN when any score is.
  float best_joint(std::size_t i) const {
    float best = scores_[i * c_.k];
    for (std::size_t k = 1; k < c_.k; ++k) {
      const float s = scores_[i * c_.k + k];
      best = s > best || s != s ? s : best;
    }
    return best;
  }

  void merge(std::size_t chosen, const std::vector<std::size_t>& cluster) {
    const float merge_radius = std::min(radius(chosen), o_.merge_cap);
    std::vector<float> xy(2 * c_.k), scores(c_.k);
    for (std::size_t k = 0; k < c_.k; ++k) {
      double weight = 0, x = 0, y = 0, squares = 0;
      for (const std::size_t j : cluster) {
        if (!(distance(chosen, j, k) <= merge_radius)) continue;
        const double w = scores_[j * c_.k + k];
        weight += w;
        squares += w * w;
        x += w * static_cast<double>(c_.xy[2 * (j * c_.k + k)]);
        y += w * static_cast<double>(c_.xy[2 * (j * c_.k + k) + 1]);
      }
      const std::size_t own = chosen * c_.k + k;
      const bool found = weight > 0;  // not so where the chosen joint itself is a NaN: it stays as it is
      xy[2 * k] = found ? static_cast<float>(x / weight) : c_.xy[2 * own];
      xy[2 * k + 1] = found ? static_cast<float>(y / weight) : c_.xy[2 * own + 1];
      scores[k] = found ? static_cast<float>(squares / weight) : scores_[own];
    }
    if (enlarged_area(xy) < o_.area_threshold) return;
    out_.boxes.insert(out_.boxes.end(), c_.boxes + 4 * chosen, c_.boxes + 4 * chosen + 4);
    out_.box_scores.push_back(c_.box_scores[chosen]);
    out_.xy.insert(out_.xy.end(), xy.begin(), xy.end());
    out_.joint_scores.insert(out_.joint_scores.end(), scores.begin(), scores.end());
    out_.picked.push_back(static_cast<std::int64_t>(chosen));
    for (const std::size_t j : cluster) out_.merged.push_back(static_cast<std::int64_t>(j));
    out_.offsets.push_back(static_cast<std::int64_t>(out_.merged.size()));
  }

  static float enlarged_area(const std::vector<float>& xy) {
    float low[2] = {xy[0], xy[1]}, high[2] = {xy[0], xy[1]};
    for (std::size_t i = 0; i < xy.size(); ++i) {
      low[i % 2] = std::min(low[i % 2], xy[i]);
      high[i % 2] = std::max(high[i % 2], xy[i]);
    }
    return 1.5F * 1.5F * (high[0] - low[0]) * (high[1] - low[1]);
  }

  CandidatesView c_;
  ParametricNmsOptions o_;
  std::vector<float> scores_, confidence_;  // [n][k]; confidence is tanh(score / delta1)
  MergedPoses out_;
};

}  // namespace

MergedPoses pose_nms(const CandidatesView& candidates, const ParametricNmsOptions& options) {
  return ParametricNms(candidates, options).run();
}

}  // namespace edge_pose
