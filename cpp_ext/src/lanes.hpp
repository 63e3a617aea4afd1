// Loops over many floats that are worth a version per instruction set. Each version does the same operations on the
// same sixteen lanes in the same order, so that all give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge_pose {

// A map blurred whole. source [h][w], out [h][w]; rows: scratch of blur_rows_size floats.
struct BlurJob {
  const float* source;
  float* out;
  float* rows;
  int h, w;
  const float* taps;  // symmetric, 2 * radius + 1 of them
  int radius;         // 0..MAX_RADIUS
  bool mirrored;      // what lies outside: the mirror, or zeros
  bool column;        // false: only along rows
};

constexpr std::size_t LANES = 16;
constexpr int MAX_RADIUS = 63;

constexpr std::size_t padded_width(std::size_t w) { return (w + LANES - 1) / LANES * LANES; }

// A row with its padding, and room for what its last block reads beyond.
constexpr std::size_t blur_row_size(std::size_t w, std::size_t radius) {
  return padded_width(padded_width(w) + 2 * radius + LANES);
}

// Every row summed and padded, a row of zeros, a row of results; LANES more to begin at a cache line.
constexpr std::size_t blur_rows_size(std::size_t h, std::size_t w, std::size_t radius) {
  return (h + 2) * padded_width(w) + h * blur_row_size(w, radius) + LANES;
}

struct Lanes {
  void (*blur)(const BlurJob& job);
  // Sum of exp(gain * (v[i] - top)), which is at least 1 where top is the greatest v and finite; NaN counts as nothing.
  double (*sum_of_powers)(const float* v, std::size_t n, float top, float gain);
  bool (*any_at_least)(const float* v, std::size_t n, float least);
  void (*widen)(const std::uint16_t* halves, std::size_t n, float* out);  // IEEE half to single precision, exactly
};

// The version for the level in use.
const Lanes& lanes();

// The mirror image of i in 0..size-1; the edge itself is not repeated. No division: most need one turn at most.
inline int mirror(int i, int size) {
  if (size == 1) return 0;
  while (i < 0 || i >= size) i = i < 0 ? -i : 2 * (size - 1) - i;
  return i;
}

extern const Lanes lanes_portable, lanes_avx2, lanes_avx512;

}  // namespace edge_pose
