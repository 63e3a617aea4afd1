// NV12 and YUYV to BGR with AVX2: 32 pixels at a time, as even and odd pixels of 16 pairs.
#if defined(__x86_64__)

#include <immintrin.h>

#include "warp_scalar.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

namespace edge_pose::warp {
namespace {

constexpr int PAIRS = 16;

struct Shuffles {
  std::int8_t byte[3][3][16];  // [part of the output][channel]: from where 16 output bytes come, -1: from elsewhere
};

// packus puts the even pixels of a 128-bit lane into its first eight bytes, the odd ones into the others.
constexpr Shuffles make_shuffles() {
  Shuffles result{};
  for (int at = 0; at < 48; ++at) {
    const int pixel = at / 3;
    for (int channel = 0; channel < 3; ++channel) {
      const int place = pixel / 2 + pixel % 2 * 8;
      result.byte[at / 16][channel][at % 16] = static_cast<std::int8_t>(at % 3 == channel ? place : -1);
    }
  }
  return result;
}

alignas(16) constexpr Shuffles SHUFFLES = make_shuffles();

inline __m256i part_of(const __m256i (&channel)[3], int part) {
  __m256i result = _mm256_setzero_si256();
  for (int c = 0; c < 3; ++c) {
    const __m128i from = _mm_load_si128(reinterpret_cast<const __m128i*>(SHUFFLES.byte[part][c]));
    result = _mm256_or_si256(result, _mm256_shuffle_epi8(channel[c], _mm256_broadcastsi128_si256(from)));
  }
  return result;
}

inline void store(std::uint8_t* at, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value); }

// The same steps as bgr_from_yuv of warp_scalar.hpp, in 16-bit lanes that saturate.
inline void convert(__m256i y, __m256i uv, std::uint8_t* bgr) {
  const __m256i sign = _mm256_set1_epi16(static_cast<short>(0x8000)), rounding = _mm256_set1_epi16(32);
  const __m256i high = _mm256_set1_epi16(static_cast<short>(0xFF00));
  const __m256i u = _mm256_xor_si256(_mm256_slli_epi16(uv, 8), sign);
  const __m256i v = _mm256_xor_si256(_mm256_and_si256(uv, high), sign);
  const __m256i blue = _mm256_mulhrs_epi16(u, _mm256_set1_epi16(YUV_BU));
  const __m256i red = _mm256_mulhrs_epi16(v, _mm256_set1_epi16(YUV_RV));
  const __m256i green = _mm256_add_epi16(_mm256_mulhrs_epi16(u, _mm256_set1_epi16(YUV_GU)),
                                         _mm256_mulhrs_epi16(v, _mm256_set1_epi16(YUV_GV)));
  y = _mm256_subs_epu8(y, _mm256_set1_epi8(16));
  const __m256i gain = _mm256_set1_epi16(YUV_Y);
  __m256i even = _mm256_mulhrs_epi16(_mm256_srli_epi16(_mm256_slli_epi16(y, 8), 1), gain);
  __m256i odd = _mm256_mulhrs_epi16(_mm256_srli_epi16(_mm256_and_si256(y, high), 1), gain);
  even = _mm256_add_epi16(even, rounding);
  odd = _mm256_add_epi16(odd, rounding);
  const __m256i channel[3] = {
      _mm256_packus_epi16(_mm256_srai_epi16(_mm256_adds_epi16(even, blue), 6),
                          _mm256_srai_epi16(_mm256_adds_epi16(odd, blue), 6)),
      _mm256_packus_epi16(_mm256_srai_epi16(_mm256_subs_epi16(even, green), 6),
                          _mm256_srai_epi16(_mm256_subs_epi16(odd, green), 6)),
      _mm256_packus_epi16(_mm256_srai_epi16(_mm256_adds_epi16(even, red), 6),
                          _mm256_srai_epi16(_mm256_adds_epi16(odd, red), 6)),
  };
  const __m256i a = part_of(channel, 0), b = part_of(channel, 1), c = part_of(channel, 2);
  store(bgr, _mm256_permute2x128_si256(a, b, 0x20));
  store(bgr + 32, _mm256_permute2x128_si256(c, a, 0x30));
  store(bgr + 64, _mm256_permute2x128_si256(b, c, 0x31));
}

inline __m256i load(const std::uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }

}  // namespace

void bgr_from_nv12_avx2(const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_nv12_scalar(y, uv, bgr, 0, pairs);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;  // the last ones overlap
    convert(load(y + 2 * at), load(uv + 2 * at), bgr + 6 * at);
  }
}

void bgr_from_yuyv_avx2(const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs) {
  if (pairs < PAIRS) return bgr_from_yuyv_scalar(yuyv, bgr, 0, pairs);
  const __m256i low = _mm256_set1_epi16(0x00FF);
  for (int from = 0; from < pairs; from += PAIRS) {
    const int at = from + PAIRS <= pairs ? from : pairs - PAIRS;
    const __m256i a = load(yuyv + 4 * at), b = load(yuyv + 4 * at + 32);
    const __m256i y = _mm256_packus_epi16(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
    const __m256i uv = _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
    convert(_mm256_permute4x64_epi64(y, 0xD8), _mm256_permute4x64_epi64(uv, 0xD8), bgr + 6 * at);
  }
}

}  // namespace edge_pose::warp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
