// NV12 and YUYV to BGR with NEON: 16 pixels at a time, as even and odd pixels of eight pairs.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "warp_scalar.hpp"

namespace edge_pose::warp {
namespace {

constexpr int PAIRS = 8;

// (a + 32) >> 6 as bytes, even and odd pixels brought into order.
inline uint8x16_t bytes_of(int16x8_t even, int16x8_t odd) {
  const uint8x8x2_t zipped = vzip_u8(vqshrun_n_s16(even, 6), vqshrun_n_s16(odd, 6));
  return vcombine_u8(zipped.val[0], zipped.val[1]);
}

inline int16x8_t luma_of(uint8x8_t y) {
  const uint16x8_t scaled = vshll_n_u8(vqsub_u8(y, vdup_n_u8(16)), 7);
  return vaddq_s16(vqrdmulhq_n_s16(vreinterpretq_s16_u16(scaled), YUV_Y), vdupq_n_s16(32));
}

inline int16x8_t chroma_of(uint8x8_t c) {
  return vreinterpretq_s16_u16(veorq_u16(vshlq_n_u16(vmovl_u8(c), 8), vdupq_n_u16(0x8000)));
}

// The same steps as bgr_from_yuv of warp_scalar.hpp, in 16-bit lanes that saturate.
inline void convert(uint8x8_t even_y, uint8x8_t odd_y, uint8x8_t u8, uint8x8_t v8, std::uint8_t* bgr) {
  const int16x8_t even = luma_of(even_y), odd = luma_of(odd_y), u = chroma_of(u8), v = chroma_of(v8);
  const int16x8_t blue = vqrdmulhq_n_s16(u, YUV_BU), red = vqrdmulhq_n_s16(v, YUV_RV);
  const int16x8_t green = vaddq_s16(vqrdmulhq_n_s16(u, YUV_GU), vqrdmulhq_n_s16(v, YUV_GV));
  vst3q_u8(bgr, {{bytes_of(vqaddq_s16(even, blue), vqaddq_s16(odd, blue)),
                  bytes_of(vqsubq_s16(even, green), vqsubq_s16(odd, green)),
                  bytes_of(vqaddq_s16(even, red), vqaddq_s16(odd, red))}});
}

}  // namespace

void bgr_from_nv12_neon(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_nv12_scalar(y, uv, bgr, 0, pairs);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;  // the last ones overlap
    const uint8x8x2_t luma = vld2_u8(y + 2 * at), chroma = vld2_u8(uv + 2 * at);
    convert(luma.val[0], luma.val[1], chroma.val[0], chroma.val[1], bgr + 6 * at);
  }
}

void bgr_from_yuyv_neon(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_yuyv_scalar(yuyv, bgr, 0, pairs);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;
    const uint8x8x4_t all = vld4_u8(yuyv + 4 * at);
    convert(all.val[0], all.val[2], all.val[1], all.val[3], bgr + 6 * at);
  }
}

}  // namespace edge_pose::warp

#endif  // __aarch64__
