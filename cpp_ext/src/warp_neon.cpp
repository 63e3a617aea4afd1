// NEON: four pixels at a time. Eight bytes are loaded per pixel and row; a table look-up sorts them into left and right
// taps by channel, widening multiplications give four horizontal sums.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "warp_scalar.hpp"

namespace edge_pose::warp {
namespace {

constexpr int STEP = 4;

struct Sums {
  uint32x4_t channel[3];
};

inline uint8x16_t two_eights(const std::uint8_t* a, const std::uint8_t* b) {
  return vcombine_u8(vld1_u8(a), vld1_u8(b));
}

// Horizontal sums of four places of eight bytes, B G R B G R first. at(i) is a place.
template <typename At>
inline Sums sums_from(const At& at, uint16x4_t left_weight, uint16x4_t right_weight) {
  static const std::uint8_t LEFT[16] = {0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 255, 255, 255, 255};
  static const std::uint8_t RIGHT[16] = {3, 11, 19, 27, 4, 12, 20, 28, 5, 13, 21, 29, 255, 255, 255, 255};
  const uint8x16x2_t bytes = {{two_eights(at(0), at(1)), two_eights(at(2), at(3))}};
  const uint8x16_t left = vqtbl2q_u8(bytes, vld1q_u8(LEFT)), right = vqtbl2q_u8(bytes, vld1q_u8(RIGHT));
  const uint16x8_t left_bg = vmovl_u8(vget_low_u8(left)), right_bg = vmovl_u8(vget_low_u8(right));
  const uint16x4_t left_r = vget_low_u16(vmovl_high_u8(left)), right_r = vget_low_u16(vmovl_high_u8(right));
  return {{vmlal_u16(vmull_u16(vget_low_u16(left_bg), left_weight), vget_low_u16(right_bg), right_weight),
           vmlal_u16(vmull_u16(vget_high_u16(left_bg), left_weight), vget_high_u16(right_bg), right_weight),
           vmlal_u16(vmull_u16(left_r, left_weight), right_r, right_weight)}};
}

// Four pairs left | right << 16.
inline uint16x4x2_t weights_at(const std::int32_t* from) {
  return vld2_u16(reinterpret_cast<const std::uint16_t*>(from));
}

// Four elements of value, in the low bytes.
template <Element kElement>
inline auto element4(float32x4_t value) {
  if constexpr (kElement == Element::f32)
    return value;
  else if constexpr (kElement == Element::f16)
    return vreinterpret_u16_f16(vcvt_f16_f32(value));
  else
    return vmovn_u32(vcvtq_u32_f32(vaddq_f32(value, vdupq_n_f32(0.5F))));
}

// Writes four pixels at a time to where a Target says.
template <Element kElement, bool kPlanar>
struct Writer {
  static constexpr std::size_t SIZE = kElement == Element::f32 ? 4 : kElement == Element::f16 ? 2 : 1;
  char* plane[3];
  float32x4_t scale[3], bias[3];
  bool swapped;

  explicit Writer(const Target& target) : swapped(target.plane[0] > target.plane[2]) {
    for (int c = 0; c < 3; ++c) {
      plane[c] = static_cast<char*>(target.plane[c]);
      scale[c] = vdupq_n_f32(target.scale[c]);
      bias[c] = vdupq_n_f32(target.bias[c]);
    }
  }

  static void store4(char* at, float32x4_t value) {
    if constexpr (kElement == Element::f32) {
      vst1q_f32(reinterpret_cast<float*>(at), value);
    } else if constexpr (kElement == Element::f16) {
      vst1_u16(reinterpret_cast<std::uint16_t*>(at), element4<kElement>(value));
    } else {
      const uint16x4_t words = element4<kElement>(value);
      const std::uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
      std::memcpy(at, &bytes, sizeof bytes);
    }
  }

  void put(int at, const float32x4_t (&pixel)[3]) const {
    float32x4_t value[3];
    for (int c = 0; c < 3; ++c) {
      value[c] = kElement == Element::u8 ? pixel[c] : vaddq_f32(vmulq_f32(pixel[c], scale[c]), bias[c]);
    }
    if constexpr (kPlanar) {
      for (int c = 0; c < 3; ++c) store4(plane[c] + SIZE * static_cast<std::size_t>(at), value[c]);
      return;
    }
    const float32x4_t x = swapped ? value[2] : value[0], y = value[1], z = swapped ? value[0] : value[2];
    char* out = (swapped ? plane[2] : plane[0]) + 3 * SIZE * static_cast<std::size_t>(at);
    if constexpr (kElement == Element::f32) {
      vst3q_f32(reinterpret_cast<float*>(out), {{x, y, z}});
    } else if constexpr (kElement == Element::f16) {
      vst3_u16(reinterpret_cast<std::uint16_t*>(out),
               {{element4<kElement>(x), element4<kElement>(y), element4<kElement>(z)}});
    } else {
      const uint8x8_t xy = vmovn_u16(vcombine_u16(element4<kElement>(x), element4<kElement>(y)));
      const uint8x8_t zz = vmovn_u16(vcombine_u16(element4<kElement>(z), element4<kElement>(z)));
      static const std::uint8_t ORDER[16] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 255, 255, 255, 255};
      const uint8x16_t all = vqtbl1q_u8(vcombine_u8(xy, zz), vld1q_u8(ORDER));
      vst1_u8(reinterpret_cast<std::uint8_t*>(out), vget_low_u8(all));
      const std::uint32_t last = vgetq_lane_u32(vreinterpretq_u32_u8(all), 2);
      std::memcpy(out + 8, &last, sizeof last);
    }
  }
};

template <bool kTwoRows, typename Out>
void resize_blocks(const ResizeRow& row, const Out& out) {
  const Columns& columns = *row.columns;
  // The last two pixels of a row have no eight bytes; monotonic columns see them at one end.
  int head = 0, end = columns.count;
  const auto whole = [&](int i) { return columns.offset[i] + 8 <= columns.readable; };
  while (head < end && !whole(head)) ++head;
  while (end > head && !whole(end - 1)) --end;
  if (end - head < STEP) return resize_row_scalar(row, 0, columns.count);
  resize_row_scalar(row, 0, head);
  resize_row_scalar(row, end, columns.count);
  for (int from = head; from < end; from += STEP) {
    const int at = from + STEP <= end ? from : end - STEP;  // the last ones overlap
    const uint16x4x2_t weight = weights_at(columns.weight + at);
    const uint32x4_t extra = columns.extra ? vreinterpretq_u32_s32(vld1q_s32(columns.extra + at)) : vdupq_n_u32(0);
    const std::int32_t* offset = columns.offset + at;
    const Sums upper = sums_from([&](int i) { return row.row0 + offset[i]; }, weight.val[0], weight.val[1]);
    float32x4_t pixel[3];
    for (int c = 0; c < 3; ++c) pixel[c] = vmulq_n_f32(vcvtq_f32_u32(vaddq_u32(upper.channel[c], extra)), row.r0);
    if constexpr (kTwoRows) {
      const Sums lower = sums_from([&](int i) { return row.row1 + offset[i]; }, weight.val[0], weight.val[1]);
      for (int c = 0; c < 3; ++c) {
        const float32x4_t sum = vcvtq_f32_u32(vaddq_u32(lower.channel[c], extra));
        pixel[c] = vaddq_f32(pixel[c], vmulq_n_f32(sum, row.r1));
      }
    }
    out.put(at, pixel);
  }
}

struct Resize {
  const ResizeRow& row;
  template <typename Out>
  void operator()(const Out& out) const {
    if (row.row1)
      resize_blocks<true>(row, out);
    else
      resize_blocks<false>(row, out);
  }
};

// The weights in four positions' fractions.
inline uint32x4_t fractions(std::int64_t from, std::int64_t by) {
  const std::int64_t start[2] = {from, from + by};
  const int64x2_t first = vld1q_s64(start), second = vaddq_s64(first, vdupq_n_s64(2 * by));
  const uint32x4_t low = vuzp1q_u32(vreinterpretq_u32_s64(first), vreinterpretq_u32_s64(second));
  return vshrq_n_u32(low, 32 - WEIGHT_BITS);
}

struct Scatter {
  const ScatterRun& run;
  template <typename Out>
  void operator()(const Out& out) const {
    constexpr float UNIT = 1.0F / WEIGHT_ONE;
    int at = 0;
    for (; at + STEP <= run.count; at += STEP) {
      if (!scatter_eights(run, at, at + STEP)) {
        scatter_run_scalar(run, at, at + STEP);
        continue;
      }
      const std::int64_t x = run.x + at * run.dx, y = run.y + at * run.dy;
      const std::uint8_t* tap[STEP];
      for (int i = 0; i < STEP; ++i) tap[i] = scatter_tap(run, x + i * run.dx, y + i * run.dy);
      const uint16x4_t right = vmovn_u32(fractions(x, run.dx)), left = vsub_u16(vdup_n_u16(WEIGHT_ONE), right);
      const Sums upper = sums_from([&](int i) { return tap[i]; }, left, right);
      const Sums lower = sums_from([&](int i) { return tap[i] + run.stride; }, left, right);
      const float32x4_t r1 = vmulq_n_f32(vcvtq_f32_u32(fractions(y, run.dy)), UNIT * UNIT);
      const float32x4_t r0 = vsubq_f32(vdupq_n_f32(UNIT), r1);
      float32x4_t pixel[3];
      for (int c = 0; c < 3; ++c) {
        pixel[c] =
            vaddq_f32(vmulq_f32(vcvtq_f32_u32(upper.channel[c]), r0), vmulq_f32(vcvtq_f32_u32(lower.channel[c]), r1));
      }
      out.put(at, pixel);
    }
    scatter_run_scalar(run, at, run.count);
  }
};

template <typename Work>
void with_writer(const Target& target, const Work& work) {
  switch (target.element) {
    case Element::f32:
      return target.planar ? work(Writer<Element::f32, true>(target)) : work(Writer<Element::f32, false>(target));
    case Element::f16:
      return target.planar ? work(Writer<Element::f16, true>(target)) : work(Writer<Element::f16, false>(target));
    case Element::u8:
      return target.planar ? work(Writer<Element::u8, true>(target)) : work(Writer<Element::u8, false>(target));
  }
}

void resize_row(const ResizeRow& row) { with_writer(row.target, Resize{row}); }
void scatter_run(const ScatterRun& run) { with_writer(run.target, Scatter{run}); }

}  // namespace

extern const Kernels neon_kernels{Simd::neon, false, resize_row, scatter_run, bgr_from_nv12_neon, bgr_from_yuyv_neon};

}  // namespace edge_pose::warp

#endif  // __aarch64__
