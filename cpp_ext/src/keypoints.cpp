// find_peak: the greatest value block by block, then its place in the one block that matters. The second look costs
// little because a block is still in the first-level cache.
#include "edge_pose/keypoints.hpp"

#include <cstring>
#include <limits>
#include <type_traits>

#include "edge_pose/simd.hpp"
#include "half.hpp"

#if defined(__x86_64__)
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own headers pass "undefined" vectors on purpose
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

namespace edge_pose {
namespace {

constexpr float LOWEST = -std::numeric_limits<float>::infinity();
constexpr std::size_t BLOCK = 256;

float value_of(float value) { return value; }
float value_of(std::uint16_t half) { return float_from_half(half); }

// Where the best value was seen first: somewhere from `from` on.
struct Best {
  float value = LOWEST;
  std::size_t from = 0;
};

template <typename T>
Peak first_of(const Best& best, const T* values) {
  if (best.value == LOWEST) return {0.0F, 0};
  std::size_t i = best.from;
  while (value_of(values[i]) != best.value) ++i;
  return {best.value, i};
}

template <typename T>
void take_rest(Best& best, const T* values, std::size_t from, std::size_t n) {
  for (std::size_t i = from; i < n; ++i) {
    if (value_of(values[i]) > best.value) best = {value_of(values[i]), i};
  }
}

// The compiler's own vectors of 16 bytes: NEON on aarch64, SSE2 on any x86-64.
using Floats [[gnu::vector_size(16)]] = float;
using Shorts [[gnu::vector_size(16)]] = short;

template <typename V, typename T>
V load(const T* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <typename V>
V greater_of(V v, V best) {
  return v > best ? v : best;
}

// From the first sixteen bytes' worth that hold the value on, one by one.
template <typename V, typename T>
std::size_t first_equal(const T* values, std::size_t from, std::size_t n, T wanted) {
  constexpr std::size_t LANES = sizeof(V) / sizeof(T);
  for (; from + LANES <= n; from += LANES) {
    // Written out: compilers disagree on comparing a vector with a scalar of another signedness.
    const V all = V{} + static_cast<std::decay_t<decltype(V{}[0])>>(wanted);
    const auto equal = load<V>(values + from) == all;
    std::uint64_t halves[2];
    std::memcpy(halves, &equal, sizeof halves);
    if (halves[0] | halves[1]) break;
  }
  while (values[from] != wanted) ++from;
  return from;
}

Peak find_portable(const float* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i + 16 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 16 * 16 : BLOCK);
    const std::size_t from = i;
    Floats a = {LOWEST, LOWEST, LOWEST, LOWEST};
    Floats b = a, c = a, d = a;
    for (; i < end; i += 16) {
      a = greater_of(load<Floats>(values + i), a);
      b = greater_of(load<Floats>(values + i + 4), b);
      c = greater_of(load<Floats>(values + i + 8), c);
      d = greater_of(load<Floats>(values + i + 12), d);
    }
    a = greater_of(greater_of(a, b), greater_of(c, d));
    for (int lane = 0; lane < 4; ++lane) {
      if (a[lane] > best.value) best = {a[lane], from};
    }
  }
  take_rest(best, values, i, n);
  if (best.value == LOWEST) return {0.0F, 0};
  return {best.value, first_equal<Floats>(values, best.from, n, best.value)};
}

// Halves compare like integers once the negative ones are turned round; NaN becomes the least of all.
Shorts ordered(Shorts halves) {
  constexpr short INF = 0x7C00;
  const Shorts keys = halves ^ ((halves >> 15) & 0x7FFF);
  return (halves & 0x7FFF) > INF ? Shorts{} - 0x7FFF : keys;
}

Peak find_portable(const std::uint16_t* values, std::size_t n) {
  Best best;
  std::uint16_t best_half = 0;
  std::size_t i = 0;
  while (i + 16 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 16 * 16 : BLOCK);
    const std::size_t from = i;
    Shorts a = Shorts{} - 0x7FFF;
    Shorts b = a;
    for (; i < end; i += 16) {
      a = greater_of(ordered(load<Shorts>(values + i)), a);
      b = greater_of(ordered(load<Shorts>(values + i + 8)), b);
    }
    a = greater_of(a, b);
    short top = a[0];
    for (int lane = 1; lane < 8; ++lane) top = a[lane] > top ? a[lane] : top;
    // The key back to the half. A block of NaN alone gives a NaN, which is not greater.
    const auto half = static_cast<std::uint16_t>(top < 0 ? top ^ 0x7FFF : top);
    if (float_from_half(half) > best.value) {
      best = {float_from_half(half), from};
      best_half = half;
    }
  }
  const Best blocks = best;
  take_rest(best, values, i, n);
  if (best.value == 0) best.from = 0;  // a -0 before a +0 is as great, but has another key
  if (best.value == 0 || best.value > blocks.value) return first_of(best, values);
  if (best.value == LOWEST) return {0.0F, 0};
  return {best.value, first_equal<Shorts>(values, best.from, n, best_half)};
}

#if defined(__x86_64__)

[[gnu::target("avx2,f16c"), gnu::always_inline]] inline __m256 load8(const float* from) {
  return _mm256_loadu_ps(from);
}

[[gnu::target("avx2,f16c"), gnu::always_inline]] inline __m256 load8(const std::uint16_t* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// max_ps(v, best) keeps best where v is NaN, which is what the contract asks.
template <typename T>
[[gnu::target("avx2,f16c")]] Peak find_avx2(const T* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i + 32 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 32 * 32 : BLOCK);
    const std::size_t from = i;
    __m256 a = _mm256_set1_ps(LOWEST), b = a, c = a, d = a;
    for (; i < end; i += 32) {
      a = _mm256_max_ps(load8(values + i), a);
      b = _mm256_max_ps(load8(values + i + 8), b);
      c = _mm256_max_ps(load8(values + i + 16), c);
      d = _mm256_max_ps(load8(values + i + 24), d);
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
    const int hit = _mm256_movemask_ps(_mm256_cmp_ps(load8(values + i), wanted, _CMP_EQ_OQ));
    if (hit) return {best.value, i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(hit)))};
  }
  return first_of({best.value, i}, values);
}

[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 load16(const float* from) { return _mm512_loadu_ps(from); }

[[gnu::target("avx512f"), gnu::always_inline]] inline __m512 load16(const std::uint16_t* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

template <typename T>
[[gnu::target("avx512f")]] Peak find_avx512(const T* values, std::size_t n) {
  Best best;
  std::size_t i = 0;
  while (i + 16 <= n) {
    const std::size_t end = i + (n - i < BLOCK ? (n - i) / 16 * 16 : BLOCK);
    const std::size_t from = i;
    __m512 a = _mm512_set1_ps(LOWEST), b = a, c = a, d = a;
    for (; i + 64 <= end; i += 64) {
      a = _mm512_max_ps(load16(values + i), a);
      b = _mm512_max_ps(load16(values + i + 16), b);
      c = _mm512_max_ps(load16(values + i + 32), c);
      d = _mm512_max_ps(load16(values + i + 48), d);
    }
    for (; i < end; i += 16) a = _mm512_max_ps(load16(values + i), a);
    a = _mm512_max_ps(_mm512_max_ps(a, b), _mm512_max_ps(c, d));
    if (_mm512_cmp_ps_mask(a, _mm512_set1_ps(best.value), _CMP_GT_OQ)) best = {_mm512_reduce_max_ps(a), from};
  }
  take_rest(best, values, i, n);
  if (best.value == LOWEST) return {0.0F, 0};
  const __m512 wanted = _mm512_set1_ps(best.value);
  for (i = best.from; i + 16 <= n; i += 16) {
    const unsigned hit = _mm512_cmp_ps_mask(load16(values + i), wanted, _CMP_EQ_OQ);
    if (hit) return {best.value, i + static_cast<std::size_t>(__builtin_ctz(hit))};
  }
  return first_of({best.value, i}, values);
}

#endif

template <typename T>
Peak find(const T* values, std::size_t n) {
  switch (simd_level()) {
#if defined(__x86_64__)
    case Simd::avx512:
      return find_avx512(values, n);
    case Simd::avx2:
      return find_avx2(values, n);
#endif
    default:
      return find_portable(values, n);
  }
}

}  // namespace

Peak find_peak(const float* values, std::size_t n) { return find(values, n); }
Peak find_peak(const std::uint16_t* halves, std::size_t n) { return find(halves, n); }

}  // namespace edge_pose
