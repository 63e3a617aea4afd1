#include "warp_columns.hpp"

#include <algorithm>

namespace edge_pose::warp {
namespace {

constexpr std::int32_t packed(int left, int right) { return left | right * 65536; }

std::size_t padded(int count) { return (static_cast<std::size_t>(count) + BLOCK - 1) / BLOCK * BLOCK; }

}  // namespace

void ColumnPlan::resize(int count) {
  const std::size_t size = padded(count);
  if (offset_.size() < size) {
    offset_.resize(size);
    weight_.resize(size);
    extra_.resize(size);
    window_at_.resize(size / BLOCK);
    index_.resize(size / BLOCK * INDEX_BYTES);
  }
}

// offset_ holds pixels until finish().
void ColumnPlan::plan_clamped(const Axis& axis, int count, int size) {
  resize(count);
  begin_ = 0;
  end_ = count;
  bordered_ = false;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Tap tap = tap_at(std::clamp(axis.at(i), 0.0, static_cast<double>(size - 1)));
    if (tap.index == size - 1 && size > 1) tap = {size - 2, WEIGHT_ONE};  // the right-hand pixel has to exist
    offset_[at] = tap.index;
    weight_[at] = packed(WEIGHT_ONE - tap.weight, tap.weight);
  }
  pad();
}

void ColumnPlan::plan_bordered(const Axis& axis, int count, int size, int fill) {
  const auto sees = [&](int i) { return axis.at(i) > -1.0 && axis.at(i) < size; };
  begin_ = 0;
  end_ = count;
  while (begin_ < count && !sees(begin_)) ++begin_;
  while (end_ > begin_ && !sees(end_ - 1)) --end_;
  count = end_ - begin_;
  resize(count);
  bordered_ = false;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    Tap tap = tap_at(axis.at(begin_ + i));
    int left = WEIGHT_ONE - tap.weight, right = tap.weight, beyond = 0;
    if (tap.index < 0) {
      tap.index = 0;
      beyond = left;
      left = right;
      right = 0;
    } else if (tap.index >= size - 1) {
      beyond = tap.index == size ? WEIGHT_ONE : right;  // at `size` by rounding only
      left = WEIGHT_ONE - beyond;
      right = 0;
      tap.index = size - 1;
      if (size > 1) {
        --tap.index;
        right = left;
        left = 0;
      }
    }
    offset_[at] = tap.index;
    weight_[at] = packed(left, right);
    extra_[at] = beyond * fill;
    bordered_ = bordered_ || beyond != 0;
  }
  pad();
}

void ColumnPlan::pad() {
  const auto count = static_cast<std::size_t>(end_ - begin_);
  if (count == 0) {
    first_pixel_ = last_pixel_ = 0;
    return;
  }
  for (std::size_t i = count; i < padded(end_ - begin_); ++i) {
    offset_[i] = offset_[count - 1];
    weight_[i] = weight_[count - 1];
    extra_[i] = extra_[count - 1];
  }
  first_pixel_ = std::min(offset_[0], offset_[count - 1]);
  last_pixel_ = std::max(offset_[0], offset_[count - 1]) + 1;
}

void ColumnPlan::finish(int origin, int readable, bool wants_windows) {
  const int count = end_ - begin_;
  for (std::size_t i = 0; i < padded(count); ++i) offset_[i] = 3 * (offset_[i] - origin);
  view_ = {count, readable,          offset_.data(), weight_.data(), bordered_ ? extra_.data() : nullptr,
           0,     window_at_.data(), index_.data()};
  if (wants_windows && count > 0) plan_windows();
}

void ColumnPlan::plan_windows() {
  const std::size_t blocks = padded(view_.count) / BLOCK;
  int widest = 0;
  for (std::size_t b = 0; b < blocks; ++b) {  // columns are monotonic
    const int one = offset_[b * BLOCK], other = offset_[b * BLOCK + BLOCK - 1];
    widest = std::max(widest, std::abs(one - other) + 6);
  }
  view_.window = widest <= 64 ? 64 : widest <= 128 ? 128 : widest <= MIN_READABLE ? MIN_READABLE : 0;
  if (view_.window == 0) return;
  for (std::size_t b = 0; b < blocks; ++b) {
    const int from = std::min(offset_[b * BLOCK], offset_[b * BLOCK + BLOCK - 1]);
    window_at_[b] = std::min(from, view_.readable - view_.window);
    for (std::size_t i = 0; i < BLOCK; ++i) {
      const int tap = offset_[b * BLOCK + i] - window_at_[b];
      std::uint8_t* index = &index_[b * INDEX_BYTES + 4 * i];
      index[0] = static_cast<std::uint8_t>(tap);
      index[2] = static_cast<std::uint8_t>(tap + 3);
    }
  }
}

}  // namespace edge_pose::warp
