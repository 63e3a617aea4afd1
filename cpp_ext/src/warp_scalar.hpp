// The arithmetic of one pixel, in the order of operations that every SIMD level keeps, so that all give the same bits.
// Every including file gets its own copy: compiled for another processor it must not be the one the linker keeps.
#pragma once

#include <cstring>

#include "warp_kernels.hpp"

namespace edge_pose::warp {
namespace {

// To nearest, ties to even; beyond 65504 infinity; NaN stays NaN.
EDGE_POSE_BOTH inline std::uint16_t half_from_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  bits &= 0x7FFFFFFFU;
  std::uint32_t half;
  if (bits > 0x7F800000U) {
    half = 0x7E00U | ((bits >> 13) & 0x3FFU);
  } else if (bits >= 0x477FF000U) {
    half = 0x7C00U;
  } else if (bits >= 0x38800000U) {  // normal halves: rebias by 112, round the 13 bits that go
    half = (bits - 0x38000000U + 0xFFFU + ((bits >> 13) & 1U)) >> 13;
  } else {  // subnormal halves are multiples of 2^-24: adding 0.5 leaves that many in the last bits
    float magnitude;
    std::memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5F;
    std::memcpy(&half, &magnitude, sizeof half);
    half -= 0x3F000000U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// To nearest, halves up as OpenCV's resize has them; 0 <= value <= 255.
EDGE_POSE_BOTH inline std::uint8_t byte_from_float(float value) { return static_cast<std::uint8_t>(value + 0.5F); }

EDGE_POSE_BOTH inline void store_element(Element element, void* at, float pixel, float scale, float bias) {
  if (element == Element::u8) {
    *static_cast<std::uint8_t*>(at) = byte_from_float(pixel);
    return;
  }
  const float value = pixel * scale + bias;
  if (element == Element::f32) {
    std::memcpy(at, &value, sizeof value);
  } else {
    const std::uint16_t half = half_from_float(value);
    std::memcpy(at, &half, sizeof half);
  }
}

inline void store_pixel(const Target& target, int i, const float (&pixel)[3]) {
  const std::size_t step = element_size(target.element) * (target.planar ? 1 : 3);
  for (int c = 0; c < 3; ++c) {
    store_element(target.element, static_cast<char*>(target.plane[c]) + static_cast<std::size_t>(i) * step, pixel[c],
                  target.scale[c], target.bias[c]);
  }
}

inline std::int32_t horizontal(const std::uint8_t* tap, std::int32_t weight) {
  return tap[0] * (weight & 0xFFFF) + tap[3] * (weight >> 16);
}

// Columns [from, to) of a row.
inline void resize_row_scalar(const ResizeRow& row, int from, int to) {
  const Columns& columns = *row.columns;
  for (int i = from; i < to; ++i) {
    const std::int32_t weight = columns.weight[i], extra = columns.extra ? columns.extra[i] : 0;
    const std::int32_t offset = columns.offset[i];
    float pixel[3];
    for (int c = 0; c < 3; ++c) {
      pixel[c] = static_cast<float>(horizontal(row.row0 + offset + c, weight) + extra) * row.r0;
      if (row.row1) pixel[c] += static_cast<float>(horizontal(row.row1 + offset + c, weight) + extra) * row.r1;
    }
    store_pixel(row.target, i, pixel);
  }
}

inline int scatter_column(const ScatterRun& run, std::int64_t x) {
  const auto column = static_cast<int>(x >> 32);
  return column < 0 ? 0 : column > run.last_x ? run.last_x : column;
}

// The upper left tap.
inline const std::uint8_t* scatter_tap(const ScatterRun& run, std::int64_t x, std::int64_t y) {
  const auto row = static_cast<int>(y >> 32);
  const int clamped = row < 0 ? 0 : row > run.last_y ? run.last_y : row;
  return run.base + run.stride * clamped + 3 * std::int64_t{scatter_column(run, x)};
}

inline std::int32_t fraction_weight(std::int64_t position) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(position) >> (32 - WEIGHT_BITS));
}

// Pixels [from, to) of a run.
inline void scatter_run_scalar(const ScatterRun& run, int from, int to) {
  constexpr float UNIT = 1.0F / WEIGHT_ONE;
  for (int i = from; i < to; ++i) {
    const std::int64_t x = run.x + i * run.dx, y = run.y + i * run.dy;
    const std::uint8_t* upper = scatter_tap(run, x, y);
    const std::int32_t wx = fraction_weight(x), weight = (WEIGHT_ONE - wx) | wx * 65536;
    const float r1 = static_cast<float>(fraction_weight(y)) * (UNIT * UNIT), r0 = UNIT - r1;
    float pixel[3];
    for (int c = 0; c < 3; ++c) {
      pixel[c] = static_cast<float>(horizontal(upper + c, weight)) * r0 +
                 static_cast<float>(horizontal(upper + run.stride + c, weight)) * r1;
    }
    store_pixel(run.target, i, pixel);
  }
}

// Whether 8 bytes may be loaded at each tap of pixels [from, to).
inline bool scatter_eights(const ScatterRun& run, int from, int to) {
  const int one = scatter_column(run, run.x + from * run.dx), other = scatter_column(run, run.x + (to - 1) * run.dx);
  return 3 * (one > other ? one : other) + 8 <= run.readable;
}

// BT.601 in 6 fractional bits: luma is (y - 16) * 128, chroma (u - 128) * 256, each product rounds as a * b >> 15.
constexpr int YUV_Y = 19077, YUV_RV = 13075, YUV_GU = 3209, YUV_GV = 6660, YUV_BU = 16525;

EDGE_POSE_BOTH inline int rounded_product(int a, int b) { return (a * b + (1 << 14)) >> 15; }

EDGE_POSE_BOTH inline std::uint8_t byte_from_fixed(int value) {
  value = value > 32767 - 32 ? 32767 - 32 : value;  // where 16-bit lanes saturate
  value = (value + 32) >> 6;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

EDGE_POSE_BOTH inline void bgr_from_yuv(int y, int u, int v, std::uint8_t* bgr) {
  const int luma = rounded_product((y > 16 ? y - 16 : 0) * 128, YUV_Y);
  const int cu = (u - 128) * 256, cv = (v - 128) * 256;
  bgr[0] = byte_from_fixed(luma + rounded_product(cu, YUV_BU));
  bgr[1] = byte_from_fixed(luma - (rounded_product(cu, YUV_GU) + rounded_product(cv, YUV_GV)));
  bgr[2] = byte_from_fixed(luma + rounded_product(cv, YUV_RV));
}

// Pairs [from, pairs) of pixels.
inline void bgr_from_nv12_scalar(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int from,
                                 int pairs) {
  for (int i = from; i < pairs; ++i) {
    bgr_from_yuv(y[2 * i], uv[2 * i], uv[2 * i + 1], bgr + 6 * i);
    bgr_from_yuv(y[2 * i + 1], uv[2 * i], uv[2 * i + 1], bgr + 6 * i + 3);
  }
}

inline void bgr_from_yuyv_scalar(const std::uint8_t* yuyv, std::uint8_t* bgr, int from, int pairs) {
  for (int i = from; i < pairs; ++i) {
    bgr_from_yuv(yuyv[4 * i], yuyv[4 * i + 1], yuyv[4 * i + 3], bgr + 6 * i);
    bgr_from_yuv(yuyv[4 * i + 2], yuyv[4 * i + 1], yuyv[4 * i + 3], bgr + 6 * i + 3);
  }
}

}  // namespace
}  // namespace edge_pose::warp
