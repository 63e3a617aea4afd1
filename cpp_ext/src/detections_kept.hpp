// The boxes that won so far, laid out so that one candidate is compared with many of them at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edge_pose {

struct Box {
  float x1, y1, x2, y2;
};

class KeptBoxes {
 public:
  KeptBoxes(float iou, float offset) : iou_(iou), offset_(offset) {}

  // True when a kept box of the same class overlaps by more than iou. float32 throughout, as the published decoders do.
  bool suppress(const Box& box, std::int32_t label) const;
  void keep(const Box& box, std::int32_t label);
  std::size_t size() const { return size_; }

 private:
  float area(const Box& b) const { return (b.x2 - b.x1 + offset_) * (b.y2 - b.y1 + offset_); }

  float iou_, offset_;
  std::size_t size_ = 0;
  // Padded to whole blocks with NaN, which compares false with everything.
  std::vector<float> x1_, y1_, x2_, y2_, area_;
  std::vector<std::int32_t> label_;
};

}  // namespace edge_pose
