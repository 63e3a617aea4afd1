// One pass over a head's scores: which rows can be detections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "best_first.hpp"
#include "edge_pose/detections.hpp"
#include "half.hpp"

namespace edge_pose {

inline float head_value(const HeadView& head, std::size_t channel, std::size_t row) {
  const std::size_t at = channel * head.channel_stride + row * head.row_stride;
  return head.type == ElementType::float32 ? static_cast<const float*>(head.data)[at]
                                           : float_from_half(static_cast<const std::uint16_t*>(head.data)[at]);
}

struct Candidate {
  std::uint32_t row, label;
  float score;
};

// Candidates in order of (row, class).
struct Candidates {
  std::vector<Candidate> items;
  BestFirst order;
};

// Every (row, class) above the threshold; only the best class of a row unless multi_label.
void scan_dense_head(const HeadView& head, const HeadLayout& layout, const Suppression& options, Candidates& found);

}  // namespace edge_pose
