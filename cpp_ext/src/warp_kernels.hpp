// What a SIMD level has to provide for warping. Internal to the core.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edge_pose/simd.hpp"
#include "edge_pose/warp.hpp"

// What the device computes, too: the same source, so the same numbers.
#if defined(__CUDACC__)
#define EDGE_POSE_BOTH __host__ __device__
#else
#define EDGE_POSE_BOTH
#endif

namespace edge_pose::warp {

constexpr int WEIGHT_BITS = 14;  // interpolation weights are integers that sum to 2^14
constexpr int WEIGHT_ONE = 1 << WEIGHT_BITS;
constexpr int BLOCK = 16;          // tables of columns are padded to a multiple of this, with copies of the last column
constexpr int MIN_READABLE = 256;  // a row that a kernel reads has at least so many readable bytes
constexpr int INDEX_BYTES = 64;    // per block of columns

// Where a run of pixels goes. Everything is in the source's channel order (B, G, R).
struct Target {
  void* plane[3];  // the run's first element of each channel; interleaved: they lie in one pixel
  Element element;
  bool planar;
  float scale[3], bias[3];
};

// One pixel farther, as a byte count.
EDGE_POSE_BOTH inline std::size_t element_size(Element e) { return e == Element::f32 ? 4 : e == Element::f16 ? 2 : 1; }

// The horizontal part of an axis-aligned resize, the same for every row.
struct Columns {
  int count;                      // output columns
  int readable;                   // bytes that may be read from the start of a row, >= MIN_READABLE
  const std::int32_t* offset;     // byte of the left tap's pixel in the row; offset + 6 <= readable
  const std::int32_t* weight;     // left | right << 16
  const std::int32_t* extra;      // what lies beyond the border adds so much, or null: nothing anywhere
  int window;                     // 64, 128, 256: each block reads its taps from so many bytes; 0: they lie wider
  const std::int32_t* window_at;  // first byte per block; window_at + window <= readable
  const std::uint8_t* index;      // per block and column: tap bytes i, 0, i + 3, 0 in the window, for channel 0
};

// One output row: horizontal sums h of one or two source rows, then (h0 * r0 + h1 * r1) * scale + bias.
struct ResizeRow {
  const Columns* columns;
  const std::uint8_t* row0;
  const std::uint8_t* row1;  // null: only row0 counts, and r0 is 2^-14
  float r0, r1;              // rows' weights, * 2^-14
  Target target;
};

// A run of output pixels that each sample 2 x 2 pixels of their own, all inside a packed picture. Pixel i lies at
// x + i * dx, y + i * dy in units of 2^-32 picture pixels, of which the upper 14 bits of the fraction count.
struct ScatterRun {
  int count;  // positions overflow nowhere up to count + 15
  const std::uint8_t* base;
  std::int64_t stride;  // within +-2^31
  int last_x, last_y;   // columns and rows are clamped to [0, last]; the next ones exist too
  int readable;         // bytes of a row, >= 8
  std::int64_t x, y, dx, dy;
  Target target;
};

struct Kernels {
  Simd level;
  bool wants_windows;
  void (*resize_row)(const ResizeRow&);
  void (*scatter_run)(const ScatterRun&);
  // `pairs` pairs of pixels to packed BGR.
  void (*bgr_from_nv12)(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs);
  void (*bgr_from_yuyv)(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs);
};

extern const Kernels scalar_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels, avx512_kernels;
void bgr_from_nv12_avx2(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs);
void bgr_from_nv12_avx512(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs);
void bgr_from_yuyv_avx2(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs);
void bgr_from_yuyv_avx512(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs);
#elif defined(__aarch64__)
extern const Kernels neon_kernels;
void bgr_from_nv12_neon(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs);
void bgr_from_yuyv_neon(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs);
#endif

// Those of simd_level().
const Kernels& kernels() noexcept;

}  // namespace edge_pose::warp
