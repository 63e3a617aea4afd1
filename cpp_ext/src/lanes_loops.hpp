// The loops of lanes.hpp, compiled once per instruction set: include after lanes.hpp, the target's pragma and
// EDGE_POSE_VECTOR_BYTES, the size of its registers. No include guard and everything in an unnamed namespace, so that
// no version can leak into a file built for another machine.
namespace edge_pose {
namespace {

constexpr std::size_t WIDTH = EDGE_POSE_VECTOR_BYTES / 4;  // floats of one register
using Floats [[gnu::vector_size(EDGE_POSE_VECTOR_BYTES)]] = float;
using Ints [[gnu::vector_size(EDGE_POSE_VECTOR_BYTES)]] = int;

inline void load(const float* from, Floats& v) { __builtin_memcpy(&v, from, sizeof v); }
inline void store(const Floats& v, float* to) { __builtin_memcpy(to, &v, sizeof v); }

// Sixteen lanes in as many registers as they take. Members, not an array: compilers keep members in registers.
template <std::size_t N>
struct Pack {
  Floats first;
  Pack<N - 1> rest;
};
template <>
struct Pack<0> {};
using Sixteen = Pack<LANES / WIDTH>;

inline void store(const Pack<0>&, float*) {}
template <std::size_t N>
inline void store(const Pack<N>& pack, float* to) {
  store(pack.first, to);
  store(pack.rest, to + WIDTH);
}

inline void load(const float*, Pack<0>&) {}
template <std::size_t N>
inline void load(const float* from, Pack<N>& pack) {
  load(from, pack.first);
  load(from + WIDTH, pack.rest);
}

inline void scale(Pack<0>&, float) {}
template <std::size_t N>
inline void scale(Pack<N>& pack, float factor) {
  pack.first *= factor;
  scale(pack.rest, factor);
}

inline void add_pair(Pack<0>&, float, const float*, const float*) {}
template <std::size_t N>
inline void add_pair(Pack<N>& sum, float tap, const float* left, const float* right) {
  Floats a, b;
  load(left, a);
  load(right, b);
  sum.first += tap * (a + b);
  add_pair(sum.rest, tap, left + WIDTH, right + WIDTH);
}

// sum of taps[t] * at(t), the taps' symmetry used: the middle first, then pairs from the middle outwards.
template <typename At, std::size_t N>
inline void weighted_sum(const float* taps, int radius, const At& at, Pack<N>& sum) {
  load(at(radius), sum);
  scale(sum, taps[radius]);
  for (int d = 1; d <= radius; ++d) add_pair(sum, taps[radius + d], at(radius - d), at(radius + d));
}

// The weighted sums of a whole row of `width` lanes. Three packs at a time, while there are, hide each other's latency.
template <typename At>
inline void weighted_row(const float* taps, int radius, const At& at, int width, float* out) {
  constexpr int STEP = static_cast<int>(LANES);
  int x = 0;
  for (; x + 3 * STEP <= width; x += 3 * STEP) {
    Pack<3 * LANES / WIDTH> sum;
    weighted_sum(taps, radius, [&](int t) { return at(t) + x; }, sum);
    store(sum, out + x);
  }
  for (; x < width; x += STEP) {
    Sixteen sum;
    weighted_sum(taps, radius, [&](int t) { return at(t) + x; }, sum);
    store(sum, out + x);
  }
}

// A row between what lies outside of it, then zeros for what its last, partial block reads beyond.
inline void pad_row(const BlurJob& job, const float* source, float* padded, int size) {
  float* row = padded + job.radius;
  for (int i = 1; i <= job.radius; ++i) {
    row[-i] = job.mirrored ? source[mirror(-i, job.w)] : 0.0F;
    row[job.w - 1 + i] = job.mirrored ? source[mirror(job.w - 1 + i, job.w)] : 0.0F;
  }
  __builtin_memcpy(row, source, sizeof(float) * static_cast<std::size_t>(job.w));
  for (int i = job.w + 2 * job.radius; i < size; ++i) padded[i] = 0;
}

void blur(const BlurJob& job) {
  const auto width = static_cast<int>(padded_width(static_cast<std::size_t>(job.w)));
  const auto size =
      static_cast<int>(blur_row_size(static_cast<std::size_t>(job.w), static_cast<std::size_t>(job.radius)));
  const std::ptrdiff_t stride = width;
  // All rows are padded before the first is summed: a load right behind the stores it straddles would have to wait.
  constexpr std::uintptr_t LINE = sizeof(float) * LANES;
  auto* rows = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(job.rows) + LINE - 1) / LINE * LINE);
  float* padded = rows + job.h * stride;
  for (int y = 0; y < job.h; ++y) {
    pad_row(job, job.source + static_cast<std::ptrdiff_t>(y) * job.w, padded + static_cast<std::ptrdiff_t>(y) * size,
            size);
  }
  for (int y = 0; y < job.h; ++y) {
    const float* row = padded + static_cast<std::ptrdiff_t>(y) * size;
    weighted_row(job.taps, job.radius, [&](int t) { return row + t; }, width, rows + y * stride);
  }
  float* nothing = padded + static_cast<std::ptrdiff_t>(job.h) * size;  // the zeros beyond the map
  float* row_sums = nothing + width;
  for (int x = 0; x < width; ++x) nothing[x] = 0;
  const float* near[2 * MAX_RADIUS + 1];  // the rows that a row is summed of
  for (int y = 0; y < job.h; ++y) {
    for (int t = 0; t <= 2 * job.radius; ++t) {
      const int row = y + t - job.radius;
      const bool inside = row >= 0 && row < job.h;
      near[t] = inside || job.mirrored ? rows + (inside ? row : mirror(row, job.h)) * stride : nothing;
    }
    float* out = job.out + static_cast<std::ptrdiff_t>(y) * job.w;
    const float* sums = rows + y * stride;
    if (job.column) {
      weighted_row(job.taps, job.radius, [&](int t) { return near[t]; }, width, row_sums);
      sums = row_sums;
    }
    __builtin_memcpy(out, sums, sizeof(float) * static_cast<std::size_t>(job.w));
  }
}

// sum += exp(power): 2^n * e^r with n whole and |r| <= ln(2) / 2, e^r by its Taylor series (error 5e-9).
inline void add_power(const Floats& power, Floats& sum) {
  constexpr float LEAST = -87;  // below, the power is not a normal float; NaN lands here too
  constexpr float LOG2_E = 1.44269504F, LN2_HIGH = 0.693359375F, LN2_LOW = -2.12194440e-4F;
  constexpr float ROUND = 12582912;  // 1.5 * 2^23: adding and subtracting it leaves a whole number
  const Floats v = power > LEAST ? power : Floats{} + LEAST;
  const Floats n = (v * LOG2_E + ROUND) - ROUND;
  const Floats r = v - n * LN2_HIGH - n * LN2_LOW;
  Floats series = r * (1.0F / 5040) + 1.0F / 720;
  constexpr float TERMS[] = {1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1, 1};
  for (const float term : TERMS) series = series * r + term;
  const Ints bits = (__builtin_convertvector(n, Ints) + 127) << 23;
  Floats two_to_n;
  __builtin_memcpy(&two_to_n, &bits, sizeof two_to_n);
  sum += series * two_to_n;
}

inline void add_powers(const float*, float, float, Pack<0>&) {}
template <std::size_t N>
inline void add_powers(const float* v, float top, float gain, Pack<N>& sums) {
  Floats values;
  load(v, values);
  add_power((values - top) * gain, sums.first);
  add_powers(v + WIDTH, top, gain, sums.rest);
}

double sum_of_powers(const float* v, std::size_t n, float top, float gain) {
  float lanes_of[LANES] = {};
  Sixteen sums;
  load(lanes_of, sums);
  std::size_t i = 0;
  for (; i + LANES <= n; i += LANES) add_powers(v + i, top, gain, sums);
  if (i < n) {
    for (float& lane : lanes_of) lane = -__builtin_inff();
    __builtin_memcpy(lanes_of, v + i, sizeof(float) * (n - i));
    add_powers(lanes_of, top, gain, sums);
  }
  store(sums, lanes_of);
  double total = 0;
  for (const float lane : lanes_of) total += static_cast<double>(lane);
  return total;
}

bool any_at_least(const float* v, std::size_t n, float least) {
  Ints found = {};
  Floats values;
  std::size_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) {
    load(v + i, values);
    found |= values >= least;
  }
  int any = 0;
  for (std::size_t lane = 0; lane < WIDTH; ++lane) any |= found[lane];
  for (; i < n; ++i) any |= v[i] >= least;
  return any != 0;
}

void widen(const std::uint16_t* halves, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t half = halves[i], bits = (half & 0x7FFFU) << 13;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    value *= 5.192296858534828e33F;  // 2^112, the difference of the exponents' biases; mends subnormals on its way
    std::uint32_t result;
    __builtin_memcpy(&result, &value, sizeof result);
    result |= (half & 0x8000U) << 16 | (bits >= 0x0F800000U ? 0x7F800000U : 0U);  // infinities and NaN stay
    __builtin_memcpy(out + i, &result, sizeof result);
  }
}

}  // namespace
}  // namespace edge_pose
