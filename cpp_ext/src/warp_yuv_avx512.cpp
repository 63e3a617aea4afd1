// NV12 and YUYV to BGR with AVX-512 and VBMI: 64 pixels at a time, as even and odd pixels of 32 pairs.
#if defined(__x86_64__)

#include <immintrin.h>

#include "warp_scalar.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512vbmi")
#endif

namespace edge_pose::warp {
namespace {

constexpr int PAIRS = 32;

struct Indices {
  std::uint8_t blue_green[3][64], red[3][64];  // what output bytes take from (blue, green) and from red
  std::uint8_t luma[64], chroma[64];           // YUYV to Y and to UV
  std::uint64_t red_mask[3];
};

// packus puts pixels 16 l + 2 i of 128-bit lane l at its byte i, the odd ones at 8 + i.
constexpr int packed_place(int pixel) { return pixel / 16 * 16 + pixel % 16 / 2 + pixel % 2 * 8; }

constexpr Indices make_indices() {
  Indices result{};
  for (int byte = 0; byte < 192; ++byte) {
    const int part = byte / 64, at = byte % 64, place = packed_place(byte / 3);
    result.blue_green[part][at] = static_cast<std::uint8_t>(place + (byte % 3 == 1 ? 64 : 0));
    result.red[part][at] = static_cast<std::uint8_t>(place);
    if (byte % 3 == 2) result.red_mask[part] |= std::uint64_t{1} << at;
  }
  for (int i = 0; i < 64; ++i) {
    result.luma[i] = static_cast<std::uint8_t>(2 * i);
    result.chroma[i] = static_cast<std::uint8_t>(2 * i + 1);
  }
  return result;
}

alignas(64) constexpr Indices INDICES = make_indices();

// The same steps as bgr_from_yuv of warp_scalar.hpp, in 16-bit lanes that saturate.
inline void convert(__m512i y, __m512i uv, std::uint8_t* bgr) {
  const __m512i sign = _mm512_set1_epi16(static_cast<short>(0x8000)), rounding = _mm512_set1_epi16(32);
  const __m512i high = _mm512_set1_epi16(static_cast<short>(0xFF00));
  const __m512i u = _mm512_xor_si512(_mm512_slli_epi16(uv, 8), sign);
  const __m512i v = _mm512_xor_si512(_mm512_and_si512(uv, high), sign);
  const __m512i blue = _mm512_mulhrs_epi16(u, _mm512_set1_epi16(YUV_BU));
  const __m512i red = _mm512_mulhrs_epi16(v, _mm512_set1_epi16(YUV_RV));
  const __m512i green = _mm512_add_epi16(_mm512_mulhrs_epi16(u, _mm512_set1_epi16(YUV_GU)),
                                         _mm512_mulhrs_epi16(v, _mm512_set1_epi16(YUV_GV)));
  y = _mm512_subs_epu8(y, _mm512_set1_epi8(16));
  const __m512i gain = _mm512_set1_epi16(YUV_Y);
  __m512i even = _mm512_mulhrs_epi16(_mm512_srli_epi16(_mm512_slli_epi16(y, 8), 1), gain);
  __m512i odd = _mm512_mulhrs_epi16(_mm512_srli_epi16(_mm512_and_si512(y, high), 1), gain);
  even = _mm512_add_epi16(even, rounding);
  odd = _mm512_add_epi16(odd, rounding);
  const __m512i b = _mm512_packus_epi16(_mm512_srai_epi16(_mm512_adds_epi16(even, blue), 6),
                                        _mm512_srai_epi16(_mm512_adds_epi16(odd, blue), 6));
  const __m512i g = _mm512_packus_epi16(_mm512_srai_epi16(_mm512_subs_epi16(even, green), 6),
                                        _mm512_srai_epi16(_mm512_subs_epi16(odd, green), 6));
  const __m512i r = _mm512_packus_epi16(_mm512_srai_epi16(_mm512_adds_epi16(even, red), 6),
                                        _mm512_srai_epi16(_mm512_adds_epi16(odd, red), 6));
  for (int part = 0; part < 3; ++part) {
    const __m512i two = _mm512_permutex2var_epi8(b, _mm512_load_si512(INDICES.blue_green[part]), g);
    const __m512i all =
        _mm512_mask_permutexvar_epi8(two, INDICES.red_mask[part], _mm512_load_si512(INDICES.red[part]), r);
    _mm512_storeu_si512(bgr + 64 * part, all);
  }
}

}  // namespace

void bgr_from_nv12_avx512(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_nv12_scalar(y, uv, bgr, 0, pairs);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;  // the last ones overlap
    convert(_mm512_loadu_si512(y + 2 * at), _mm512_loadu_si512(uv + 2 * at), bgr + 6 * at);
  }
}

void bgr_from_yuyv_avx512(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_yuyv_scalar(yuyv, bgr, 0, pairs);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;
    const __m512i a = _mm512_loadu_si512(yuyv + 4 * at), b = _mm512_loadu_si512(yuyv + 4 * at + 64);
    convert(_mm512_permutex2var_epi8(a, _mm512_load_si512(INDICES.luma), b),
            _mm512_permutex2var_epi8(a, _mm512_load_si512(INDICES.chroma), b), bgr + 6 * at);
  }
}

}  // namespace edge_pose::warp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
