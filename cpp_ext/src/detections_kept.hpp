// The boxes that won so far, laid out so that one candidate is compared with sixteen of them at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "vectors.hpp"

namespace edge_pose {

struct Box {
  float x1, y1, x2, y2;
};

class KeptBoxes {
 public:
  KeptBoxes(float iou, float offset) : iou_(iou), almost_(iou * 0.999999F), offset_(offset) {}

  // True when a kept box of the same label overlaps by more than iou. float32 throughout, as the published decoders do.
  EDGE_POSE_INLINE bool suppress(const Box& box, std::int32_t label) const {
    const float own = area(box);
    const F32x16 zero = {};
    for (const Block& kept : blocks_) {
      F32x16 left, top, w, h, joined;
      I32x16 same;
      load(left, kept.x1);
      load(top, kept.y1);
      load(w, kept.x2);
      load(h, kept.y2);
      load(joined, kept.area);
      load(same, kept.label);
      same = same == label;
      w = (w < box.x2 ? w : zero + box.x2) - (left > box.x1 ? left : zero + box.x1) + offset_;
      h = (h < box.y2 ? h : zero + box.y2) - (top > box.y1 ? top : zero + box.y1) + offset_;
      w = w > zero ? w : zero;
      h = h > zero ? h : zero;
      const F32x16 shared = w * h;
      joined = own + joined - shared;
      // Divisions are slow: only where they can matter.
      if (!any((shared > almost_ * joined) & same)) continue;
      if (any((shared / joined > iou_) & same)) return true;
    }
    return false;
  }

  void keep(const Box& box, std::int32_t label) {
    const std::size_t lane = size_ % 16;
    if (lane == 0) {
      blocks_.emplace_back();
      // An area that is NaN overlaps with nothing.
      std::fill_n(blocks_.back().area, 16, std::numeric_limits<float>::quiet_NaN());
    }
    Block& last = blocks_.back();
    last.x1[lane] = box.x1;
    last.y1[lane] = box.y1;
    last.x2[lane] = box.x2;
    last.y2[lane] = box.y2;
    last.area[lane] = area(box);
    last.label[lane] = label;
    ++size_;
  }

  std::size_t size() const { return size_; }

 private:
  struct Block {
    float x1[16], y1[16], x2[16], y2[16], area[16];
    std::int32_t label[16];
  };

  float area(const Box& b) const { return (b.x2 - b.x1 + offset_) * (b.y2 - b.y1 + offset_); }

  float iou_, almost_, offset_;
  std::size_t size_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace edge_pose
