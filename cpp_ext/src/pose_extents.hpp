// Poses laid out for suppression: which ones can be near at all is told by their extents, sixteen at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "vectors.hpp"

namespace edge_pose {

constexpr float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

// Upright boxes around the joints of each pose, and one more number, its weight in the limit below.
class Extents {
 public:
  static constexpr std::size_t WIDTH = 16;

  explicit Extents(std::size_t n)
      : n_(n), padded_((n + WIDTH - 1) / WIDTH * WIDTH), columns_(5 * padded_, NOT_A_NUMBER) {}

  // A joint with a NaN is left out; without any other joint the pose is near to nobody.
  void set(std::size_t i, const float* xy, std::size_t joints, float weight) {
    float low[2] = {NOT_A_NUMBER, NOT_A_NUMBER}, high[2] = {NOT_A_NUMBER, NOT_A_NUMBER};
    for (std::size_t k = 0; k < 2 * joints; ++k) {
      float &l = low[k % 2], &h = high[k % 2];
      l = !(l <= xy[k]) && xy[k] == xy[k] ? xy[k] : l;
      h = !(h >= xy[k]) && xy[k] == xy[k] ? xy[k] : h;
    }
    const float values[5] = {low[0], low[1], high[0], high[1], weight};
    for (std::size_t c = 0; c < 5; ++c) columns_[c * padded_ + i] = values[c];
  }

  // Pose i is near to nobody from now on.
  void remove(std::size_t i) { columns_[i] = NOT_A_NUMBER; }
  bool removed(std::size_t i) const { return columns_[i] != columns_[i]; }
  std::size_t size() const { return n_; }

  // Calls near(j) for every j >= first whose extent is as close to that of i as
  // gap^2 <= base + slope * (weight_i + weight_j).
  template <typename Near>
  EDGE_POSE_INLINE void for_near(std::size_t i, std::size_t first, float base, float slope, const Near& near) const {
    const float *x1 = columns_.data(), *y1 = x1 + padded_, *x2 = y1 + padded_, *y2 = x2 + padded_, *w = y2 + padded_;
    const float own_x1 = x1[i], own_y1 = y1[i], own_x2 = x2[i], own_y2 = y2[i], own_w = w[i];
    const F32x16 zero = {};
    for (std::size_t at = first / WIDTH * WIDTH; at < padded_; at += WIDTH) {
      F32x16 left, top, right, bottom, weight;
      load(left, x1 + at);
      load(top, y1 + at);
      load(right, x2 + at);
      load(bottom, y2 + at);
      load(weight, w + at);
      left -= own_x2;  // positive: the gap to the right of pose i
      top -= own_y2;
      right = own_x1 - right;
      bottom = own_y1 - bottom;
      F32x16 dx = left > right ? left : right, dy = top > bottom ? top : bottom;
      dx = dx > zero ? dx : zero;
      dy = dy > zero ? dy : zero;
      // What was removed has a NaN, which is lost above only where the other side is larger; so it is asked again.
      const I32x16 close = (dx * dx + dy * dy <= base + slope * (weight + own_w)) & (left == left);
      if (!any(close)) continue;
      for (std::size_t j = std::max(at, first); j < at + WIDTH; ++j) {
        if (close[j - at] != 0) near(j);
      }
    }
  }

 private:
  std::size_t n_, padded_;
  std::vector<float> columns_;  // x1, y1, x2, y2, weight, each padded with NaN
};

}  // namespace edge_pose
