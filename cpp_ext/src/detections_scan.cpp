#include "detections_scan.hpp"

#include <algorithm>
#include <array>

namespace edge_pose {

namespace {

constexpr std::size_t BLOCK = 512;  // rows looked at together: their scores stay in the first cache level
constexpr std::size_t STEP = 16;    // rows whose scores are compared with the threshold by one branch
using Scores = std::array<float, BLOCK>;

// Scores of one channel for rows first..first+count; `scratch` is used unless they lie ready in memory.
const float* channel_block(const HeadView& head, std::size_t channel, std::size_t first, std::size_t count,
                           Scores& scratch) {
  const std::size_t at = channel * head.channel_stride + first * head.row_stride;
  if (head.type == ElementType::float32) {
    const float* from = static_cast<const float*>(head.data) + at;
    if (head.row_stride == 1) return from;
    for (std::size_t i = 0; i < count; ++i) scratch[i] = from[i * head.row_stride];
  } else {
    const std::uint16_t* from = static_cast<const std::uint16_t*>(head.data) + at;
    for (std::size_t i = 0; i < count; ++i) scratch[i] = float_from_half(from[i * head.row_stride]);
  }
  return scratch.data();
}

class Scan {
 public:
  Scan(const HeadView& head, const HeadLayout& layout, const Suppression& options, Candidates& found)
      : head_(head), layout_(layout), options_(options), found_(found), first_class_(layout.objectness ? 5 : 4) {}

  void run() {
    for (std::size_t first = 0; first < head_.rows; first += BLOCK) {
      const std::size_t count = std::min(BLOCK, head_.rows - first);
      const float* best = layout_.objectness ? channel_block(head_, 4, first, count, scratch_)
                                             : best_class(first, count);
      pick(best, first, count);
    }
  }

 private:
  // The highest class score of every row of the block.
  const float* best_class(std::size_t first, std::size_t count) {
    const float* row = channel_block(head_, first_class_, first, count, scratch_);
    if (layout_.classes == 1) return row;
    std::copy(row, row + count, best_.begin());
    for (std::size_t c = 1; c < layout_.classes; ++c) {
      row = channel_block(head_, first_class_ + c, first, count, scratch_);
      for (std::size_t i = 0; i < count; ++i) best_[i] = row[i] > best_[i] ? row[i] : best_[i];
    }
    return best_.data();
  }

  void pick(const float* scores, std::size_t first, std::size_t count) {
    const float threshold = options_.confidence;
    std::size_t i = 0;
    for (; i + STEP <= count; i += STEP) {
      std::int32_t any = 0;
      for (std::size_t j = 0; j < STEP; ++j) any |= static_cast<std::int32_t>(scores[i + j] > threshold);
      if (any == 0) continue;
      for (std::size_t j = i; j < i + STEP; ++j) {
        if (scores[j] > threshold) add(first + j);
      }
    }
    for (; i < count; ++i) {
      if (scores[i] > threshold) add(first + i);
    }
  }

  // The row may hold something: look at its classes one by one, in float32 as the network would.
  void add(std::size_t row) {
    const float objectness = layout_.objectness ? head_value(head_, 4, row) : 1.0F;
    std::size_t best = 0;
    float best_score = 0;
    for (std::size_t c = 0; c < layout_.classes; ++c) {
      const float score = objectness * head_value(head_, first_class_ + c, row);
      if (score != score) return;  // a row with a NaN is no detection
      if (options_.multi_label) {
        if (score > options_.confidence) push(row, c, score);
      } else if (c == 0 || score > best_score) {
        best = c;
        best_score = score;
      }
    }
    if (!options_.multi_label && best_score > options_.confidence) push(row, best, best_score);
  }

  void push(std::size_t row, std::size_t label, float score) {
    if (options_.wanted != nullptr && options_.wanted[label] == 0) return;
    found_.items.push_back({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(label), score});
    found_.order.push(score);
  }

  const HeadView& head_;
  const HeadLayout& layout_;
  const Suppression& options_;
  Candidates& found_;
  std::size_t first_class_;
  Scores scratch_{}, best_{};
};

}  // namespace

void scan_dense_head(const HeadView& head, const HeadLayout& layout, const Suppression& options, Candidates& found) {
  Scan(head, layout, options, found).run();
}

}  // namespace edge_pose
