#include <algorithm>
#include <limits>

#include "best_first.hpp"
#include "detections_kept.hpp"
#include "edge_pose/detections.hpp"

namespace edge_pose {

namespace {

constexpr std::size_t BLOCK = 16;

}  // namespace

bool KeptBoxes::suppress(const Box& box, std::int32_t label) const {
  const float own = area(box);
  for (std::size_t start = 0; start < x1_.size(); start += BLOCK) {
    const float *x1 = &x1_[start], *y1 = &y1_[start], *x2 = &x2_[start], *y2 = &y2_[start], *areas = &area_[start];
    const std::int32_t* labels = &label_[start];
    std::int32_t hit = 0;
    for (std::size_t j = 0; j < BLOCK; ++j) {
      const float left = x1[j] > box.x1 ? x1[j] : box.x1;
      const float top = y1[j] > box.y1 ? y1[j] : box.y1;
      const float right = x2[j] < box.x2 ? x2[j] : box.x2;
      const float bottom = y2[j] < box.y2 ? y2[j] : box.y2;
      const float w = right - left + offset_, h = bottom - top + offset_;
      const float shared = (w > 0 ? w : 0) * (h > 0 ? h : 0);
      const float overlap = shared / (own + areas[j] - shared);
      hit |= static_cast<std::int32_t>(overlap > iou_) & static_cast<std::int32_t>(labels[j] == label);
    }
    if (hit != 0) return true;
  }
  return false;
}

void KeptBoxes::keep(const Box& box, std::int32_t label) {
  if (size_ == x1_.size()) {
    for (auto* column : {&x1_, &y1_, &x2_, &y2_, &area_}) {
      column->resize(size_ + BLOCK, std::numeric_limits<float>::quiet_NaN());
    }
    label_.resize(size_ + BLOCK, -1);
  }
  x1_[size_] = box.x1;
  y1_[size_] = box.y1;
  x2_[size_] = box.x2;
  y2_[size_] = box.y2;
  area_[size_] = area(box);
  label_[size_] = label;
  ++size_;
}

std::vector<std::int64_t> nms(const float* boxes, const float* scores, const std::int64_t* classes, std::size_t n,
                              float iou, float offset, std::size_t max_detections) {
  // Class ids are free to be anything; what competes is numbered 0, 1, 2...
  std::vector<std::int32_t> labels(n, 0);
  if (classes != nullptr) {
    std::vector<std::int64_t> distinct(classes, classes + n);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (std::size_t i = 0; i < n; ++i) {
      labels[i] = static_cast<std::int32_t>(std::lower_bound(distinct.begin(), distinct.end(), classes[i]) -
                                            distinct.begin());
    }
  }
  BestFirst order;
  order.reserve(n);
  for (std::size_t i = 0; i < n; ++i) order.push(scores[i]);
  KeptBoxes kept(iou, offset);
  std::vector<std::int64_t> indices;
  for (std::size_t i; indices.size() < max_detections && order.next(i);) {
    const float* b = boxes + 4 * i;
    const Box box{b[0], b[1], b[2], b[3]};
    if (kept.suppress(box, labels[i])) continue;
    kept.keep(box, labels[i]);
    indices.push_back(static_cast<std::int64_t>(i));
  }
  return indices;
}

}  // namespace edge_pose
