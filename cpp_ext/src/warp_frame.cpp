#include "warp_frame.hpp"

#include <algorithm>
#include <cstring>

namespace edge_pose::warp {

void copy_row(const Frame& frame, const Kernels& kernels, int y, int x0, int x1, std::uint8_t* bgr) {
  const std::uint8_t* row = frame.data + frame.stride * y;
  switch (frame.format) {
    case PixelFormat::bgr:
      std::memcpy(bgr, row + 3 * std::ptrdiff_t{x0}, 3 * static_cast<std::size_t>(x1 - x0));
      break;
    case PixelFormat::nv12:
      kernels.bgr_from_nv12(row + x0, frame.chroma + frame.chroma_stride * (y / 2) + x0, bgr, (x1 - x0) / 2);
      break;
    case PixelFormat::yuyv:
      kernels.bgr_from_yuyv(row + 2 * std::ptrdiff_t{x0}, bgr, (x1 - x0) / 2);
      break;
  }
}

void RowReader::open(const Frame& frame, const Kernels& kernels, int x0, int x1, int fill) {
  frame_ = &frame;
  kernels_ = &kernels;
  fill_ = fill;
  filled_ = false;
  held_[0] = held_[1] = -1;
  direct_ = frame.format == PixelFormat::bgr && 3 * frame.width >= MIN_READABLE;
  if (direct_) {
    first_ = 0;
    end_ = frame.width;
    readable_ = 3 * frame.width;
  } else {
    first_ = std::max(x0, 0) & ~1;
    end_ = std::min((x1 + 1) & ~1, frame.width);
    readable_ = std::max(MIN_READABLE, 3 * (end_ - first_));
  }
  const std::size_t rows = direct_ ? 1 : 3, size = rows * static_cast<std::size_t>(readable_);
  if (memory_.size() < size) memory_.resize(size);
}

const std::uint8_t* RowReader::fill_row() {
  const auto readable = static_cast<std::size_t>(readable_);
  std::uint8_t* row = memory_.data() + (direct_ ? 0 : 2 * readable);
  if (!filled_) std::memset(row, fill_, readable);
  filled_ = true;
  return row;
}

const std::uint8_t* RowReader::converted(int y) {
  std::uint8_t* row = memory_.data() + static_cast<std::size_t>(y & 1) * static_cast<std::size_t>(readable_);
  if (held_[y & 1] != y) copy_row(*frame_, *kernels_, y, first_, end_, row);
  held_[y & 1] = y;
  return row;
}

Patch open_patch(const Frame& frame, const Kernels& kernels, int x0, int y0, int x1, int y1,
                 std::vector<std::uint8_t>& memory) {
  if (frame.format == PixelFormat::bgr && 3 * frame.width >= 8) {
    return {frame.data, frame.stride, 0, 0, frame.width, frame.height, 3 * frame.width};
  }
  x0 = std::clamp(x0, 0, std::max(frame.width - 2, 0)) & ~1;
  y0 = std::clamp(y0, 0, std::max(frame.height - 2, 0));
  x1 = std::min((std::max(x1, x0 + 2) + 1) & ~1, frame.width);
  y1 = std::min(std::max(y1, y0 + 2), frame.height);
  const int width = x1 - x0, height = y1 - y0, readable = 3 * width + 8;
  const std::size_t size = static_cast<std::size_t>(readable) * static_cast<std::size_t>(height);
  if (memory.size() < size) memory.resize(size);
  for (int y = y0; y < y1; ++y) {
    copy_row(frame, kernels, y, x0, x1, memory.data() + std::ptrdiff_t{readable} * (y - y0));
  }
  return {memory.data(), readable, x0, y0, width, height, readable};
}

}  // namespace edge_pose::warp
