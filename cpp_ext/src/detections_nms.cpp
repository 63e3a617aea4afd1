#include <algorithm>

#include "best_first.hpp"
#include "detections_kept.hpp"
#include "edge_pose/detections.hpp"

namespace edge_pose {

std::vector<std::int64_t> nms(const float* boxes, const float* scores, const std::int64_t* classes, std::size_t n,
                              float iou, float offset, std::size_t max_detections) {
  // Class ids are free to be anything; what competes is numbered 0, 1, 2...
  std::vector<std::int32_t> labels(n, 0);
  if (classes != nullptr) {
    std::vector<std::int64_t> distinct(classes, classes + n);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (std::size_t i = 0; i < n; ++i) {
      labels[i] =
          static_cast<std::int32_t>(std::lower_bound(distinct.begin(), distinct.end(), classes[i]) - distinct.begin());
    }
  }
  BestFirst order;
  order.reserve(n);
  for (std::size_t i = 0; i < n; ++i) order.push(scores[i]);
  KeptBoxes kept(iou, offset);
  std::vector<std::int64_t> indices;
  with_simd([&]() __attribute__((always_inline)) {
    for (std::size_t i; indices.size() < max_detections && order.next(i);) {
      const float* b = boxes + 4 * i;
      const Box box{b[0], b[1], b[2], b[3]};
      if (kept.suppress(box, labels[i])) continue;
      kept.keep(box, labels[i]);
      indices.push_back(static_cast<std::int64_t>(i));
    }
  });
  return indices;
}

}  // namespace edge_pose
