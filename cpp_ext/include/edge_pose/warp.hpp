// Frames to network inputs: letterbox and affine crops, with normalisation, layout and element type in one pass.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge_pose {

enum class PixelFormat {
  bgr,   // 3 bytes a pixel
  nv12,  // a plane of luma, below it one of U,V pairs for 2 x 2 pixels; BT.601, limited range
  yuyv,  // Y U Y V for 2 pixels; BT.601, limited range
};

// A frame borrowed from the caller. Rows may lie anywhere (stride in bytes, negative for flipped pictures), pixels
// within a row are packed. height, width >= 1, at most 2^24; nv12 has both even, yuyv an even width.
struct Frame {
  const std::uint8_t* data;
  std::ptrdiff_t stride;
  int height, width;
  PixelFormat format = PixelFormat::bgr;
  const std::uint8_t* chroma = nullptr;  // nv12 only: height/2 rows of width bytes
  std::ptrdiff_t chroma_stride = 0;
};

enum class Element { u8, f16, f32 };

// N pictures, packed: planar [n][3][h][w], otherwise [n][h][w][3].
struct Batch {
  void* data;
  Element element;
  bool planar;
  int n, h, w;
};

// output = pixel * scale[c] + bias[c], c in the output's channel order: R, G, B where swap_rb, else B, G, R.
// u8 rounds to nearest, halves up, and takes no notice of scale and bias.
struct Color {
  float scale[3], bias[3];
  bool swap_rb;
};

// Resizes the frame bilinearly to resized_h x resized_w (half-pixel centres, clamped at the edges, no antialiasing:
// OpenCV's INTER_LINEAR) at (top, left) of out; the rest of out is the grey level `fill`. The resized picture must
// lie inside out and have at least one pixel; out.n is 1. threads as in parallel.hpp.
void letterbox(const Frame& frame, const Batch& out, int resized_h, int resized_w, int top, int left, int fill,
               const Color& color, int threads);

// For each of out.n matrices (2 x 3, row-major, finite) output pixel (x, y) samples the frame bilinearly at
// M (x + pc, y + pc, 1) - pc, pc = pixel_center; beyond the frame lies the grey level `fill`, blended at the border.
// With pc = 0 this is OpenCV's warpAffine with WARP_INVERSE_MAP | INTER_LINEAR and BORDER_CONSTANT. A matrix with an
// element beyond +-2^40 is taken to look past the frame: all `fill`.
void warp_affine(const Frame& frame, const double* frame_from_input, const Batch& out, double pixel_center, int fill,
                 const Color& color, int threads);

// Both are pure functions of their arguments: any number of threads may call them on one frame. Interpolation weights
// have 14 bits; the result is the same bit by bit at every SIMD level and number of threads. They throw only
// std::bad_alloc.

}  // namespace edge_pose
