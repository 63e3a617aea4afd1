// The horizontal plan of an axis-aligned resize: which taps and weights each output column has. Internal.
#pragma once

#include <cstdint>
#include <vector>

#include "warp_kernels.hpp"

namespace edge_pose::warp {

// Where output index i samples the frame: at start + i * step, in index coordinates (pixel centres at integers).
struct Axis {
  double start, step;
  EDGE_POSE_BOTH double at(int i) const { return start + i * step; }
};

// A tap and its right-hand neighbour: index in [-1, size) and the neighbour's weight in 2^-14.
struct Tap {
  int index, weight;
};

// position must lie in [-1, 2^24].
EDGE_POSE_BOTH inline Tap tap_at(double position) {
  Tap tap{static_cast<int>(position + 1.0) - 1, 0};
  tap.weight = static_cast<int>((position - tap.index) * WEIGHT_ONE + 0.5);
  if (tap.weight == WEIGHT_ONE) tap = {tap.index + 1, 0};
  return tap;
}

// Keeps its memory from frame to frame. Use: plan_*, then finish, then view.
class ColumnPlan {
 public:
  // `count` columns over `size` pixels, clamped at both ends.
  void plan_clamped(const Axis& axis, int count, int size);
  // Those of `count` columns that see the frame at all, what lies beyond it being `fill`.
  void plan_bordered(const Axis& axis, int count, int size, int fill);

  int begin() const { return begin_; }  // output columns [begin, end) see the frame
  int end() const { return end_; }
  int first_pixel() const { return first_pixel_; }  // pixels [first, last] are read
  int last_pixel() const { return last_pixel_; }

  // Rows begin at pixel `origin` and have `readable` bytes.
  void finish(int origin, int readable, bool wants_windows);
  const Columns& view() const { return view_; }

 private:
  void resize(int count);
  void pad();
  void plan_windows();

  int begin_ = 0, end_ = 0, first_pixel_ = 0, last_pixel_ = 0;
  bool bordered_ = false;
  std::vector<std::int32_t> offset_, weight_, extra_, window_at_;
  std::vector<std::uint8_t> index_;
  Columns view_{};
};

}  // namespace edge_pose::warp
