// find_peak: the greatest value block by block, then its place in the one block that matters. The second look costs
// little because a block is still in the first-level cache.
#include "edge_pose/keypoints.hpp"

#include <cstring>
#include <limits>

#include "edge_pose/simd.hpp"

#if defined(__x86_64__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own headers pass "undefined" vectors on purpose
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace edge_pose {
namespace {

constexpr float LOWEST = -std::numeric_limits<float>::infinity();
constexpr std::size_t BLOCK = 256;

// Where the best value was seen first: somewhere from `from` on.
struct Best {
  float value = LOWEST;
  std::size_t from = 0;
};

Peak first_of(const Best& best, const float* values) {
  if (best.value == LOWEST) return {0.0F, 0};
  std::size_t i = best.from;
  while (values[i] != best.value) ++i;
  return {best.value, i};
}

void take_rest(Best& best, const float* values, std::size_t from, std::size_t n) {
  for (std::size_t i = from; i < n; ++i) {
    if (values[i] > best.value) best = {values[i], i};
  }
}

// Four lanes by the compiler's own vectors: NEON on aarch64, SSE2 on any x86-64.
using Float4 [[gnu::vector_size(16)]] = float;

inline Float4 load4(const float* p) {
  Float4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline Float4 greater_of(Float4 v, Float4 best) { return v > best ? v : best; }

Peak find_portable(const float* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i + 16 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 16 * 16 : BLOCK);
    const std::size_t from = i;
    Float4 a = {LOWEST, LOWEST, LOWEST, LOWEST};
    Float4 b = a, c = a, d = a;
    for (; i < end; i += 16) {
      a = greater_of(load4(values + i), a);
      b = greater_of(load4(values + i + 4), b);
      c = greater_of(load4(values + i + 8), c);
      d = greater_of(load4(values + i + 12), d);
    }
    a = greater_of(greater_of(a, b), greater_of(c, d));
    const float left = a[0] > a[1] ? a[0] : a[1];
    const float right = a[2] > a[3] ? a[2] : a[3];
    const float top = left > right ? left : right;
    if (top > best.value) best = {top, from};
  }
  take_rest(best, values, i, n);
  return first_of(best, values);
}

#if defined(__x86_64__)

// max_ps(v, best) keeps best where v is NaN, which is what the contract asks.
[[gnu::target("avx2")]] Peak find_avx2(const float* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i + 32 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 32 * 32 : BLOCK);
    const std::size_t from = i;
    __m256 a = _mm256_set1_ps(LOWEST), b = a, c = a, d = a;
    for (; i < end; i += 32) {
      a = _mm256_max_ps(_mm256_loadu_ps(values + i), a);
      b = _mm256_max_ps(_mm256_loadu_ps(values + i + 8), b);
      c = _mm256_max_ps(_mm256_loadu_ps(values + i + 16), c);
      d = _mm256_max_ps(_mm256_loadu_ps(values + i + 24), d);
    }
    a = _mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d));
    if (_mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_set1_ps(best.value), _CMP_GT_OQ))) {
      __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
      half = _mm_max_ps(half, _mm_movehl_ps(half, half));
      half = _mm_max_ss(half, _mm_shuffle_ps(half, half, 1));
      best = {_mm_cvtss_f32(half), from};
    }
  }
  take_rest(best, values, i, n);
  if (best.value == LOWEST) return {0.0F, 0};
  const __m256 wanted = _mm256_set1_ps(best.value);
  for (i = best.from; i + 8 <= n; i += 8) {
    const int hit = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(values + i), wanted, _CMP_EQ_OQ));
    if (hit) return {best.value, i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(hit)))};
  }
  return first_of({best.value, i}, values);
}

[[gnu::target("avx512f")]] Peak find_avx512(const float* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i < n) {
    const std::size_t end = n - i < BLOCK ? n : i + BLOCK;
    const std::size_t from = i;
    __m512 a = _mm512_set1_ps(LOWEST), b = a, c = a, d = a;
    for (; i + 64 <= end; i += 64) {
      a = _mm512_max_ps(_mm512_loadu_ps(values + i), a);
      b = _mm512_max_ps(_mm512_loadu_ps(values + i + 16), b);
      c = _mm512_max_ps(_mm512_loadu_ps(values + i + 32), c);
      d = _mm512_max_ps(_mm512_loadu_ps(values + i + 48), d);
    }
    for (; i < end; i += 16) {
      const std::size_t left = end - i;
      const auto mask = static_cast<__mmask16>(left < 16 ? (1U << left) - 1U : 0xffffU);
      a = _mm512_mask_max_ps(a, mask, _mm512_maskz_loadu_ps(mask, values + i), a);
    }
    i = end;
    a = _mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d));
    if (_mm512_cmp_ps_mask(a, _mm512_set1_ps(best.value), _CMP_GT_OQ)) best = {_mm512_reduce_max_ps(a), from};
  }
  if (best.value == LOWEST) return {0.0F, 0};
  const __m512 wanted = _mm512_set1_ps(best.value);
  for (i = best.from; i + 16 <= n; i += 16) {
    const unsigned hit = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + i), wanted, _CMP_EQ_OQ);
    if (hit) return {best.value, i + static_cast<std::size_t>(__builtin_ctz(hit))};
  }
  return first_of({best.value, i}, values);
}

#endif

}  // namespace

Peak find_peak(const float* values, std::size_t n) {
  switch (simd_level()) {
#if defined(__x86_64__)
    case Simd::avx512: return find_avx512(values, n);
    case Simd::avx2: return find_avx2(values, n);
#endif
    default: return find_portable(values, n);
  }
}

}  // namespace edge_pose
