#include "warp_copy.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace edge_pose::warp {
namespace {

void swap_scalar(const std::uint8_t* from, std::uint8_t* to, std::ptrdiff_t at, std::ptrdiff_t count) {
  for (; at < count; ++at) {
    to[3 * at] = from[3 * at + 2];
    to[3 * at + 1] = from[3 * at + 1];
    to[3 * at + 2] = from[3 * at];
  }
}

#if defined(__x86_64__)

// Five pixels of sixteen bytes at a time; the last byte is written once more by the next five.
__attribute__((target("avx2"))) void swap_avx2(const std::uint8_t* from, std::uint8_t* to, std::ptrdiff_t count) {
  const __m128i order = _mm_setr_epi8(2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9, 14, 13, 12, 15);
  std::ptrdiff_t at = 0;
  for (; at + 6 <= count; at += 5) {
    const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 3 * at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * at), _mm_shuffle_epi8(pixels, order));
  }
  swap_scalar(from, to, at, count);
}

#elif defined(__aarch64__)

void swap_neon(const std::uint8_t* from, std::uint8_t* to, std::ptrdiff_t count) {
  std::ptrdiff_t at = 0;
  for (; at + 16 <= count; at += 16) {
    const uint8x16x3_t pixels = vld3q_u8(from + 3 * at);
    vst3q_u8(to + 3 * at, {{pixels.val[2], pixels.val[1], pixels.val[0]}});
  }
  swap_scalar(from, to, at, count);
}

#endif

}  // namespace

void copy_pixels(Simd level, const std::uint8_t* from, std::uint8_t* to, std::ptrdiff_t count, bool swap) {
  if (!swap) {
    std::memcpy(to, from, 3 * static_cast<std::size_t>(count));
    return;
  }
#if defined(__x86_64__)
  if (level == Simd::avx2 || level == Simd::avx512) return swap_avx2(from, to, count);
#elif defined(__aarch64__)
  if (level == Simd::neon) return swap_neon(from, to, count);
#endif
  swap_scalar(from, to, 0, count);
}

}  // namespace edge_pose::warp
