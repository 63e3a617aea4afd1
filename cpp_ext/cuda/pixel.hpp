// One pixel of letterbox and warp_affine: what a thread of the device computes, and what the tests compute without one.
// Its numbers are those of the core: the same source below, and no multiply-add that rounds once (nvcc -fmad=false).
#pragma once

#include "../src/warp_columns.hpp"
#include "../src/warp_scalar.hpp"
#include "edge_pose/warp.hpp"

namespace edge_pose::cuda {

constexpr int MAX_ROWS = 32;  // pictures of one launch: a task has to fit into the 4 KB of a kernel's arguments

// Output pixel (x, y) looks at across[0] x + across[1] y + across[2] from the left, and likewise down from the top, in
// index coordinates of the frame.
struct Look {
  double across[3], down[3];
  bool nowhere;  // beyond the frame everywhere
};

// What one launch writes. Addresses are those of the device; frame and batch as in warp.hpp.
struct Task {
  Frame frame;
  Batch out;  // out.n pictures of up to MAX_ROWS
  Color color;
  int fill;
  int top, left, height, width;  // where the picture lies in out; the rest is fill
  bool clamped;                  // beyond the frame lies its nearest pixel, not fill
  Look look[MAX_ROWS];
};

// Arguments as of edge_pose::letterbox and edge_pose::warp_affine; of the latter up to MAX_ROWS pictures.
Task letterbox_task(const Frame& frame, const Batch& out, int resized_h, int resized_w, int top, int left, int fill,
                    const Color& color);
Task warp_task(const Frame& frame, const double* frame_from_input, const Batch& out, double pixel_center, int fill,
               const Color& color);

EDGE_POSE_BOTH inline void read_pixel(const Frame& frame, int x, int y, std::uint8_t (&bgr)[3]) {
  const std::uint8_t* row = frame.data + frame.stride * y;
  if (frame.format == PixelFormat::bgr) {
    for (int c = 0; c < 3; ++c) bgr[c] = row[3 * std::ptrdiff_t{x} + c];
  } else if (frame.format == PixelFormat::nv12) {
    const std::uint8_t* uv = frame.chroma + frame.chroma_stride * (y / 2) + (x & ~1);
    warp::bgr_from_yuv(row[x], uv[0], uv[1], bgr);
  } else {
    const std::uint8_t* pair = row + 2 * std::ptrdiff_t{x & ~1};
    warp::bgr_from_yuv(pair[(x & 1) * 2], pair[1], pair[3], bgr);
  }
}

// Bilinear at a position in (-1, size) on both axes.
EDGE_POSE_BOTH inline void sample(const Task& task, double x, double y, float (&pixel)[3]) {
  constexpr float UNIT = 1.0F / warp::WEIGHT_ONE;
  const Frame& frame = task.frame;
  const warp::Tap tx = warp::tap_at(x), ty = warp::tap_at(y);
  for (int c = 0; c < 3; ++c) pixel[c] = 0.0F;
  for (int row = 0; row < 2; ++row) {
    std::int32_t sum[3] = {0, 0, 0};
    for (int column = 0; column < 2; ++column) {
      const int px = tx.index + column, py = ty.index + row;
      const int weight = column ? tx.weight : warp::WEIGHT_ONE - tx.weight;
      const auto grey = static_cast<std::uint8_t>(task.fill);
      std::uint8_t bgr[3] = {grey, grey, grey};
      if (px >= 0 && px < frame.width && py >= 0 && py < frame.height) read_pixel(frame, px, py, bgr);
      for (int c = 0; c < 3; ++c) sum[c] += bgr[c] * weight;
    }
    const float weight = static_cast<float>(row ? ty.weight : warp::WEIGHT_ONE - ty.weight) * (UNIT * UNIT);
    for (int c = 0; c < 3; ++c) pixel[c] += static_cast<float>(sum[c]) * weight;
  }
}

EDGE_POSE_BOTH inline double clamped(double value, double last) {
  return value < 0.0 ? 0.0 : value > last ? last : value;
}

// Column x of row y of picture n.
EDGE_POSE_BOTH inline void write_pixel(const Task& task, int n, int y, int x) {
  const Batch& out = task.out;
  const Look& look = task.look[n];
  const int column = x - task.left, row = y - task.top;
  const auto grey = static_cast<float>(task.fill);
  float pixel[3] = {grey, grey, grey};
  if (!look.nowhere && column >= 0 && column < task.width && row >= 0 && row < task.height) {
    // The order of operations is the core's.
    double from_left = look.across[1] * row + look.across[2] + column * look.across[0];
    double from_top = look.down[1] * row + look.down[2] + column * look.down[0];
    if (task.clamped) {
      from_left = clamped(from_left, task.frame.width - 1);
      from_top = clamped(from_top, task.frame.height - 1);
    }
    if (from_left > -1.0 && from_left < task.frame.width && from_top > -1.0 && from_top < task.frame.height) {
      sample(task, from_left, from_top, pixel);
    }
  }
  for (int c = 0; c < 3; ++c) {
    const std::ptrdiff_t h = out.h, w = out.w;
    const std::ptrdiff_t at =
        out.planar ? ((n * std::ptrdiff_t{3} + c) * h + y) * w + x : ((n * h + y) * w + x) * 3 + c;
    warp::store_element(
        out.element, static_cast<char*>(out.data) + at * static_cast<std::ptrdiff_t>(warp::element_size(out.element)),
        pixel[task.color.swap_rb ? 2 - c : c], task.color.scale[c], task.color.bias[c]);
  }
}

}  // namespace edge_pose::cuda
