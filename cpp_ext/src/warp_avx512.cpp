// AVX-512 with VBMI: sixteen pixels at a time. A byte permutation of up to four registers picks the taps of a channel
// as 16-bit pairs, so that one multiply-add gives sixteen horizontal sums.
#if defined(__x86_64__)

#include <immintrin.h>

#include "warp_scalar.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,f16c"))), \
                             apply_to = function)
#else
// GCC warns of the undefined values in its own intrinsics (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,f16c")
#endif

namespace edge_pose::warp {
namespace {

constexpr __mmask64 TAP_BYTES = 0x5555555555555555ULL;  // the low byte of each 16-bit tap

struct Taps {
  __m512i channel[3];  // 16 x (left, right) as 16-bit integers
};

// Taps of one block of columns out of one row, all within `kWindow` bytes; 0: gathered one by one.
template <int kWindow>
struct RowTaps {
  __m512i index[3];
  int at;

  RowTaps(const Columns& columns, int block) : at(columns.window_at[block]) {
    index[0] = _mm512_loadu_si512(columns.index + INDEX_BYTES * block);
    index[1] = _mm512_add_epi8(index[0], _mm512_set1_epi8(1));
    index[2] = _mm512_add_epi8(index[0], _mm512_set1_epi8(2));
  }

  Taps load(const std::uint8_t* row) const {
    const std::uint8_t* from = row + at;
    Taps taps;
    if constexpr (kWindow == 64) {
      const __m512i a = _mm512_loadu_si512(from);
      for (int c = 0; c < 3; ++c) taps.channel[c] = _mm512_maskz_permutexvar_epi8(TAP_BYTES, index[c], a);
    } else if constexpr (kWindow == 128) {
      const __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + 64);
      for (int c = 0; c < 3; ++c) taps.channel[c] = _mm512_maskz_permutex2var_epi8(TAP_BYTES, a, index[c], b);
    } else {
      const __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + 64);
      const __m512i d = _mm512_loadu_si512(from + 128), e = _mm512_loadu_si512(from + 192);
      for (int c = 0; c < 3; ++c) {
        const __mmask64 upper = _mm512_movepi8_mask(index[c]);  // the index's top bit chooses the second pair
        const __m512i low = _mm512_maskz_permutex2var_epi8(TAP_BYTES, a, index[c], b);
        const __m512i high = _mm512_permutex2var_epi8(d, index[c], e);
        taps.channel[c] = _mm512_mask_mov_epi8(low, upper & TAP_BYTES, high);
      }
    }
    return taps;
  }
};

// Sixteen times 8 bytes that begin with B G R B G R.
inline Taps taps_of_eights(__m512i first, __m512i second) {
  const __m512i lane = _mm512_set_epi32(0x780078, 0x700070, 0x680068, 0x600060, 0x580058, 0x500050, 0x480048, 0x400040,
                                        0x380038, 0x300030, 0x280028, 0x200020, 0x180018, 0x100010, 0x080008, 0x000000);
  Taps taps;
  for (int c = 0; c < 3; ++c) {
    const __m512i index = _mm512_add_epi8(lane, _mm512_set1_epi32(c + ((c + 3) << 16)));
    taps.channel[c] = _mm512_maskz_permutex2var_epi8(TAP_BYTES, first, index, second);
  }
  return taps;
}

template <>
struct RowTaps<0> {
  __m256i offset[2];
  __m512i shift[2];

  RowTaps(const Columns& columns, int block) {
    // Eight bytes are loaded for six, at the row's end from a little before.
    const __m256i last = _mm256_set1_epi32(columns.readable - 8);
    for (int half = 0; half < 2; ++half) {
      const __m256i tap =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns.offset + BLOCK * block + BLOCK / 2 * half));
      offset[half] = _mm256_min_epi32(tap, last);
      shift[half] = _mm512_cvtepi32_epi64(_mm256_slli_epi32(_mm256_sub_epi32(tap, offset[half]), 3));
    }
  }

  Taps load(const std::uint8_t* row) const {
    const __m512i first = _mm512_srlv_epi64(_mm512_i32gather_epi64(offset[0], row, 1), shift[0]);
    const __m512i second = _mm512_srlv_epi64(_mm512_i32gather_epi64(offset[1], row, 1), shift[1]);
    return taps_of_eights(first, second);
  }
};

inline __m512i rounded(__m512 value) { return _mm512_cvttps_epi32(_mm512_add_ps(value, _mm512_set1_ps(0.5F))); }

template <Element kElement>
inline void store16(char* at, __m512 value, __mmask16 mask) {
  if constexpr (kElement == Element::f32) {
    _mm512_mask_storeu_ps(at, mask, value);
  } else if constexpr (kElement == Element::f16) {
    _mm256_mask_storeu_epi16(at, mask, _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  } else {
    _mm_mask_storeu_epi8(at, mask, _mm512_cvtepi32_epi8(rounded(value)));
  }
}

// How three registers of one channel each become three of interleaved pixels: part i takes `two` of the first two
// channels and then `three` of that and the last.
struct Interleaving {
  std::int32_t two[3][16], three[3][16];
};

constexpr Interleaving make_interleaving() {
  Interleaving result{};
  for (int at = 0; at < 48; ++at) {
    const int pixel = at / 3, channel = at % 3;
    result.two[at / 16][at % 16] = pixel + (channel == 1 ? 16 : 0);
    result.three[at / 16][at % 16] = channel == 2 ? 16 + pixel : at % 16;
  }
  return result;
}

alignas(64) constexpr Interleaving INTERLEAVING = make_interleaving();

// The low three bytes of sixteen 32-bit lanes, one pixel after the other.
struct Squeeze {
  std::uint8_t byte[64];
};

constexpr Squeeze make_squeeze() {
  Squeeze result{};
  for (int at = 0; at < 48; ++at) result.byte[at] = static_cast<std::uint8_t>(at / 3 * 4 + at % 3);
  return result;
}

alignas(64) constexpr Squeeze SQUEEZE = make_squeeze();

// Writes sixteen pixels at a time to where a Target says.
template <Element kElement, bool kPlanar>
struct Writer {
  static constexpr std::size_t SIZE = kElement == Element::f32 ? 4 : kElement == Element::f16 ? 2 : 1;
  char* plane[3];
  __m512 scale[3], bias[3];
  bool swapped;

  explicit Writer(const Target& target) : swapped(target.plane[0] > target.plane[2]) {
    for (int c = 0; c < 3; ++c) {
      plane[c] = static_cast<char*>(target.plane[c]);
      scale[c] = _mm512_set1_ps(target.scale[c]);
      bias[c] = _mm512_set1_ps(target.bias[c]);
    }
  }

  // Pixels [at, at + 16), of which the first `count` are there.
  void put(int at, int count, const __m512 (&pixel)[3]) const {
    __m512 value[3];
    for (int c = 0; c < 3; ++c) {
      value[c] = kElement == Element::u8 ? pixel[c] : _mm512_add_ps(_mm512_mul_ps(pixel[c], scale[c]), bias[c]);
    }
    if constexpr (kPlanar) {
      const auto mask = static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1 << count) - 1);
      const std::size_t offset = SIZE * static_cast<std::size_t>(at);
      for (int c = 0; c < 3; ++c) store16<kElement>(plane[c] + offset, value[c], mask);
    } else {
      const std::uint64_t mask = count >= 16 ? ~0ULL : (1ULL << (3 * count)) - 1;
      const __m512 first = swapped ? value[2] : value[0], last = swapped ? value[0] : value[2];
      char* out = (swapped ? plane[2] : plane[0]) + 3 * SIZE * static_cast<std::size_t>(at);
      if constexpr (kElement == Element::u8) {
        const __m512i upper =
            _mm512_or_si512(_mm512_slli_epi32(rounded(last), 16), _mm512_slli_epi32(rounded(value[1]), 8));
        const __m512i bytes =
            _mm512_permutexvar_epi8(_mm512_load_si512(SQUEEZE.byte), _mm512_or_si512(upper, rounded(first)));
        return _mm512_mask_storeu_epi8(out, mask & 0xFFFFFFFFFFFFULL, bytes);
      }
      for (int part = 0; part < 3; ++part) {
        const __m512 two = _mm512_permutex2var_ps(first, _mm512_load_si512(INTERLEAVING.two[part]), value[1]);
        const __m512 three = _mm512_permutex2var_ps(two, _mm512_load_si512(INTERLEAVING.three[part]), last);
        store16<kElement>(out + 16 * SIZE * static_cast<std::size_t>(part), three,
                          static_cast<__mmask16>(mask >> (16 * part)));
      }
    }
  }
};

template <int kWindow, bool kTwoRows, typename Out>
void resize_blocks(const ResizeRow& row, const Out& out) {
  const Columns& columns = *row.columns;
  const __m512 r0 = _mm512_set1_ps(row.r0), r1 = _mm512_set1_ps(row.r1);
  for (int at = 0, block = 0; at < columns.count; at += BLOCK, ++block) {
    const __m512i weight = _mm512_loadu_si512(columns.weight + at);
    const __m512i extra = columns.extra ? _mm512_loadu_si512(columns.extra + at) : _mm512_setzero_si512();
    const RowTaps<kWindow> source(columns, block);
    const Taps upper = source.load(row.row0);
    __m512 pixel[3];
    for (int c = 0; c < 3; ++c) {
      const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(upper.channel[c], weight), extra);
      pixel[c] = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), r0);
    }
    if constexpr (kTwoRows) {
      const Taps lower = source.load(row.row1);
      for (int c = 0; c < 3; ++c) {
        const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(lower.channel[c], weight), extra);
        pixel[c] = _mm512_add_ps(pixel[c], _mm512_mul_ps(_mm512_cvtepi32_ps(sum), r1));
      }
    }
    out.put(at, columns.count - at, pixel);
  }
}

template <int kWindow, typename Out>
void resize_rows(const ResizeRow& row, const Out& out) {
  if (row.row1)
    resize_blocks<kWindow, true>(row, out);
  else
    resize_blocks<kWindow, false>(row, out);
}

struct Resize {
  const ResizeRow& row;
  template <typename Out>
  void operator()(const Out& out) const {
    switch (row.columns->window) {
      case 64:
        return resize_rows<64>(row, out);
      case 128:
        return resize_rows<128>(row, out);
      case 256:
        return resize_rows<256>(row, out);
      default:
        return resize_rows<0>(row, out);
    }
  }
};

// Sixteen positions as two times eight 64-bit numbers.
struct Positions {
  __m512i first, second, step;

  Positions(std::int64_t from, std::int64_t by) {
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    first = _mm512_add_epi64(_mm512_set1_epi64(from), _mm512_mullo_epi64(lane, _mm512_set1_epi64(by)));
    second = _mm512_add_epi64(first, _mm512_set1_epi64(8 * by));
    step = _mm512_set1_epi64(16 * by);
  }
  void advance() {
    first = _mm512_add_epi64(first, step);
    second = _mm512_add_epi64(second, step);
  }
  __m512i whole(int last) const {
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m512i index = _mm512_permutex2var_epi32(first, odd, second);
    return _mm512_min_epi32(_mm512_max_epi32(index, _mm512_setzero_si512()), _mm512_set1_epi32(last));
  }
  __m512i fraction() const {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_srli_epi32(_mm512_permutex2var_epi32(first, even, second), 32 - WEIGHT_BITS);
  }
};

template <int kHalf>
inline __m512i wide_half(__m512i narrow) {
  return _mm512_cvtepi32_epi64(_mm512_extracti32x8_epi32(narrow, kHalf));
}

struct Scatter {
  const ScatterRun& run;
  template <typename Out>
  void operator()(const Out& out) const {
    constexpr float UNIT = 1.0F / WEIGHT_ONE;
    const __m512i last = _mm512_set1_epi32(run.readable - 8), stride = _mm512_set1_epi64(run.stride);
    Positions x(run.x, run.dx), y(run.y, run.dy);
    for (int at = 0; at < run.count; at += BLOCK, x.advance(), y.advance()) {
      const __m512i column = x.whole(run.last_x), row = y.whole(run.last_y), wx = x.fraction();
      const __m512i taps = _mm512_add_epi32(column, _mm512_slli_epi32(column, 1));
      const __m512i load = _mm512_min_epi32(taps, last);
      const __m512i offset[2] = {
          _mm512_add_epi64(_mm512_mul_epi32(wide_half<0>(row), stride), wide_half<0>(load)),
          _mm512_add_epi64(_mm512_mul_epi32(wide_half<1>(row), stride), wide_half<1>(load)),
      };
      __m512i eights[2][2];
      for (int lower = 0; lower < 2; ++lower) {
        const std::uint8_t* base = run.base + (lower ? run.stride : 0);
        for (int half = 0; half < 2; ++half) eights[lower][half] = _mm512_i64gather_epi64(offset[half], base, 1);
      }
      if (_mm512_cmpneq_epi32_mask(taps, load) != 0) {  // the row ends here: loaded from a little before
        const __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(taps, load), 3);
        for (auto& pair : eights) {
          pair[0] = _mm512_srlv_epi64(pair[0], wide_half<0>(bits));
          pair[1] = _mm512_srlv_epi64(pair[1], wide_half<1>(bits));
        }
      }
      const Taps upper = taps_of_eights(eights[0][0], eights[0][1]);
      const Taps lower = taps_of_eights(eights[1][0], eights[1][1]);
      const __m512i weight =
          _mm512_or_si512(_mm512_sub_epi32(_mm512_set1_epi32(WEIGHT_ONE), wx), _mm512_slli_epi32(wx, 16));
      const __m512 r1 = _mm512_mul_ps(_mm512_cvtepi32_ps(y.fraction()), _mm512_set1_ps(UNIT * UNIT));
      const __m512 r0 = _mm512_sub_ps(_mm512_set1_ps(UNIT), r1);
      __m512 pixel[3];
      for (int c = 0; c < 3; ++c) {
        const __m512 first = _mm512_cvtepi32_ps(_mm512_madd_epi16(upper.channel[c], weight));
        const __m512 second = _mm512_cvtepi32_ps(_mm512_madd_epi16(lower.channel[c], weight));
        pixel[c] = _mm512_add_ps(_mm512_mul_ps(first, r0), _mm512_mul_ps(second, r1));
      }
      out.put(at, run.count - at, pixel);
    }
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

extern const Kernels avx512_kernels{Simd::avx512,        true, resize_row, scatter_run, bgr_from_nv12_avx512,
                                    bgr_from_yuyv_avx512};

}  // namespace edge_pose::warp

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
