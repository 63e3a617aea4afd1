// Rows and patches of a frame as packed BGR, converted or padded where the frame itself cannot be read so. Internal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "edge_pose/warp.hpp"
#include "warp_kernels.hpp"

namespace edge_pose::warp {

// Converts pixels [x0, x1) of row y to packed BGR; x0 and x1 are even in nv12 and yuyv frames.
void copy_row(const Frame& frame, const Kernels& kernels, int y, int x0, int x1, std::uint8_t* bgr);

// Single rows of a frame, with a margin that kernels may read. Keeps its memory from frame to frame.
class RowReader {
 public:
  // Rows will be read between columns x0 and x1 (exclusive), in any order, the last two asked for being the cheap ones.
  void open(const Frame& frame, const Kernels& kernels, int x0, int x1, int fill);

  int first() const { return first_; }        // the column at which rows begin
  int readable() const { return readable_; }  // bytes in a row, >= MIN_READABLE

  // Row y, or a row of `fill` where the frame has none; good until another row of the same parity is asked for.
  const std::uint8_t* row(int y) {
    if (y < 0 || y >= frame_->height) return fill_row();
    if (direct_) return frame_->data + frame_->stride * y;
    return converted(y);
  }

 private:
  const std::uint8_t* fill_row();
  const std::uint8_t* converted(int y);

  const Frame* frame_ = nullptr;
  const Kernels* kernels_ = nullptr;
  bool direct_ = false, filled_ = false;
  int first_ = 0, end_ = 0, readable_ = 0, fill_ = 0;
  int held_[2] = {-1, -1};
  std::vector<std::uint8_t> memory_;  // two rows and the fill row
};

// A rectangle of a frame as BGR: the frame itself, or a copy of the part that is asked for. At least 2 x 2 pixels
// where the frame has them.
struct Patch {
  const std::uint8_t* data;
  std::ptrdiff_t stride;
  int x, y, width, height;  // in the frame
  int readable;             // bytes of a row, >= 8

  // A pixel of the frame; outside the patch its nearest.
  const std::uint8_t* at(int px, int py) const {
    px = std::clamp(px - x, 0, width - 1);
    py = std::clamp(py - y, 0, height - 1);
    return data + stride * py + 3 * std::ptrdiff_t{px};
  }
};

// The part [x0, x1) x [y0, y1) of the frame at least, clipped to it; memory is used where a copy is needed.
Patch open_patch(const Frame& frame, const Kernels& kernels, int x0, int y0, int x1, int y1,
                 std::vector<std::uint8_t>& memory);

}  // namespace edge_pose::warp
