// The batch that is written: where a pixel lies, and runs of one colour. Internal.
#pragma once

#include <cstddef>

#include "warp_kernels.hpp"

namespace edge_pose::warp {

class Output {
 public:
  Output(const Batch& batch, const Color& color, int fill);

  const Batch& batch() const { return batch_; }

  // For the run that begins at column x of row y of picture n.
  Target target(int n, int y, int x) const {
    Target target{{}, batch_.element, batch_.planar, {scale_[0], scale_[1], scale_[2]}, {bias_[0], bias_[1], bias_[2]}};
    for (int c = 0; c < 3; ++c) target.plane[c] = at(n, out_channel_[c], y, x);
    return target;
  }

  // Columns [x0, x1) of rows [y0, y1) become the fill; several rows only where x covers them all.
  void fill(int n, int y0, int y1, int x0, int x1) const;

 private:
  void* at(int n, int channel, int y, int x) const {
    const std::ptrdiff_t h = batch_.h, w = batch_.w;
    const std::ptrdiff_t index =
        batch_.planar ? ((n * std::ptrdiff_t{3} + channel) * h + y) * w + x : ((n * h + y) * w + x) * 3 + channel;
    return static_cast<char*>(batch_.data) + index * static_cast<std::ptrdiff_t>(size_);
  }

  template <typename T>
  void fill_as(int n, int y, int x, std::ptrdiff_t count) const;

  Batch batch_;
  std::size_t size_;
  int out_channel_[3];        // of each source channel
  float scale_[3], bias_[3];  // in the source's order
  unsigned char fill_[3][4];  // in the output's order
  bool one_grey_;             // all three are the same
};

}  // namespace edge_pose::warp
