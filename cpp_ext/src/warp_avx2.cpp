// AVX2 and F16C: eight pixels at a time. Eight bytes are loaded per pixel and row; byte shuffles sort them into 16-bit
// pairs of taps by channel, and one multiply-add gives eight horizontal sums.
#if defined(__x86_64__)

#include <immintrin.h>

#include "warp_scalar.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif

namespace edge_pose::warp {
namespace {

constexpr int STEP = 8;

struct Taps {
  __m256i channel[3];  // 8 x (left, right) as 16-bit integers
};

inline __m128i two_eights(const std::uint8_t* a, const std::uint8_t* b) {
  const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(a));
  return _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), reinterpret_cast<const double*>(b)));
}

// Eight bytes from each of eight places, B G R B G R first. at(i) is a place.
template <typename At>
inline Taps taps_from(const At& at) {
  // Pixels 0 1 | 4 5 and 2 3 | 6 7, so that 64-bit interleaving below brings the eight into order.
  const __m256i first =
      _mm256_inserti128_si256(_mm256_castsi128_si256(two_eights(at(0), at(1))), two_eights(at(4), at(5)), 1);
  const __m256i second =
      _mm256_inserti128_si256(_mm256_castsi128_si256(two_eights(at(2), at(3))), two_eights(at(6), at(7)), 1);
  const __m256i blue_green =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 8, -1, 11, -1, 1, -1, 4, -1, 9, -1, 12, -1));
  const __m256i red =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(2, -1, 5, -1, 10, -1, 13, -1, 2, -1, 5, -1, 10, -1, 13, -1));
  const __m256i bg0 = _mm256_shuffle_epi8(first, blue_green), bg1 = _mm256_shuffle_epi8(second, blue_green);
  const __m256i r0 = _mm256_shuffle_epi8(first, red), r1 = _mm256_shuffle_epi8(second, red);
  return {{_mm256_unpacklo_epi64(bg0, bg1), _mm256_unpackhi_epi64(bg0, bg1), _mm256_blend_epi32(r0, r1, 0xCC)}};
}

inline __m256i load8(const std::int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

inline __m256i rounded(__m256 value) { return _mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_set1_ps(0.5F))); }

// The low three bytes of four 32-bit lanes, one pixel after the other.
inline void store_twelve(char* at, __m128i pixels) {
  const __m128i squeezed =
      _mm_shuffle_epi8(pixels, _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(at), squeezed);
  const int rest = _mm_extract_epi32(squeezed, 2);
  std::memcpy(at + 8, &rest, sizeof rest);
}

template <Element kElement>
inline void store8(char* at, __m256 value) {
  if constexpr (kElement == Element::f32) {
    _mm256_storeu_ps(reinterpret_cast<float*>(at), value);
  } else if constexpr (kElement == Element::f16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
  } else {
    const __m256i whole = rounded(value);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(at), _mm_packus_epi16(words, words));
  }
}

// Writes eight pixels at a time to where a Target says.
template <Element kElement, bool kPlanar>
struct Writer {
  static constexpr std::size_t SIZE = kElement == Element::f32 ? 4 : kElement == Element::f16 ? 2 : 1;
  char* plane[3];
  __m256 scale[3], bias[3];
  bool swapped;

  explicit Writer(const Target& target) : swapped(target.plane[0] > target.plane[2]) {
    for (int c = 0; c < 3; ++c) {
      plane[c] = static_cast<char*>(target.plane[c]);
      scale[c] = _mm256_set1_ps(target.scale[c]);
      bias[c] = _mm256_set1_ps(target.bias[c]);
    }
  }

  void put(int at, const __m256 (&pixel)[3]) const {
    __m256 value[3];
    for (int c = 0; c < 3; ++c) {
      value[c] = kElement == Element::u8 ? pixel[c] : _mm256_add_ps(_mm256_mul_ps(pixel[c], scale[c]), bias[c]);
    }
    if constexpr (kPlanar) {
      for (int c = 0; c < 3; ++c) store8<kElement>(plane[c] + SIZE * static_cast<std::size_t>(at), value[c]);
    } else {
      const __m256 x = swapped ? value[2] : value[0], y = value[1], z = swapped ? value[0] : value[2];
      char* out = (swapped ? plane[2] : plane[0]) + 3 * SIZE * static_cast<std::size_t>(at);
      if constexpr (kElement == Element::u8) {
        const __m256i upper = _mm256_or_si256(_mm256_slli_epi32(rounded(z), 16), _mm256_slli_epi32(rounded(y), 8));
        const __m256i pixels = _mm256_or_si256(upper, rounded(x));
        store_twelve(out, _mm256_castsi256_si128(pixels));
        return store_twelve(out + 12, _mm256_extracti128_si256(pixels, 1));
      }
      // In each half, for four pixels: x0 y0 z0 x1 | y1 z1 x2 y2 | z2 x3 y3 z3.
      const __m256 xy02 = _mm256_shuffle_ps(x, y, 0x88), zx = _mm256_shuffle_ps(z, x, 0xD8);
      const __m256 yz13 = _mm256_shuffle_ps(y, z, 0xDD);
      const __m256 a = _mm256_shuffle_ps(xy02, zx, 0x88);    // x0 y0, z0 x1
      const __m256 b = _mm256_shuffle_ps(yz13, xy02, 0xD8);  // y1 z1, x2 y2
      const __m256 c = _mm256_shuffle_ps(zx, yz13, 0xDD);    // z2 x3, y3 z3
      store8<kElement>(out, _mm256_permute2f128_ps(a, b, 0x20));
      store8<kElement>(out + 8 * SIZE, _mm256_permute2f128_ps(c, a, 0x30));
      store8<kElement>(out + 16 * SIZE, _mm256_permute2f128_ps(b, c, 0x31));
    }
  }
};

template <bool kTwoRows, typename Out>
void resize_blocks(const ResizeRow& row, const Out& out) {
  const Columns& columns = *row.columns;
  const __m256 r0 = _mm256_set1_ps(row.r0), r1 = _mm256_set1_ps(row.r1);
  const __m256i zero = _mm256_setzero_si256();
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
    const __m256i weight = load8(columns.weight + at);
    const __m256i extra = columns.extra ? load8(columns.extra + at) : zero;
    const std::int32_t* offset = columns.offset + at;
    const Taps upper = taps_from([&](int i) { return row.row0 + offset[i]; });
    __m256 pixel[3];
    for (int c = 0; c < 3; ++c) {
      const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(upper.channel[c], weight), extra);
      pixel[c] = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), r0);
    }
    if constexpr (kTwoRows) {
      const Taps lower = taps_from([&](int i) { return row.row1 + offset[i]; });
      for (int c = 0; c < 3; ++c) {
        const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(lower.channel[c], weight), extra);
        pixel[c] = _mm256_add_ps(pixel[c], _mm256_mul_ps(_mm256_cvtepi32_ps(sum), r1));
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

// The weights in eight positions' fractions.
inline __m256i fractions(std::int64_t from, std::int64_t by) {
  const __m256i first = _mm256_set_epi64x(from + 3 * by, from + 2 * by, from + by, from);
  const __m256i second = _mm256_add_epi64(first, _mm256_set1_epi64x(4 * by));
  const __m256 low = _mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second), 0x88);
  const __m256i ordered = _mm256_permute4x64_epi64(_mm256_castps_si256(low), 0xD8);
  return _mm256_srli_epi32(ordered, 32 - WEIGHT_BITS);
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
      const Taps upper = taps_from([&](int i) { return tap[i]; });
      const Taps lower = taps_from([&](int i) { return tap[i] + run.stride; });
      const __m256i wx = fractions(x, run.dx);
      const __m256i weight =
          _mm256_or_si256(_mm256_sub_epi32(_mm256_set1_epi32(WEIGHT_ONE), wx), _mm256_slli_epi32(wx, 16));
      const __m256 r1 = _mm256_mul_ps(_mm256_cvtepi32_ps(fractions(y, run.dy)), _mm256_set1_ps(UNIT * UNIT));
      const __m256 r0 = _mm256_sub_ps(_mm256_set1_ps(UNIT), r1);
      __m256 pixel[3];
      for (int c = 0; c < 3; ++c) {
        const __m256 first = _mm256_cvtepi32_ps(_mm256_madd_epi16(upper.channel[c], weight));
        const __m256 second = _mm256_cvtepi32_ps(_mm256_madd_epi16(lower.channel[c], weight));
        pixel[c] = _mm256_add_ps(_mm256_mul_ps(first, r0), _mm256_mul_ps(second, r1));
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

extern const Kernels avx2_kernels{Simd::avx2, false, resize_row, scatter_run, bgr_from_nv12_avx2, bgr_from_yuyv_avx2};

}  // namespace edge_pose::warp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
