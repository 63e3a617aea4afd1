// The loops of lanes.hpp, compiled once per instruction set: include after lanes.hpp and the target's pragma. No include
// guard and everything in an unnamed namespace, so that no version can leak into a file built for another machine.
namespace edge_pose {
namespace {

using Float16 [[gnu::vector_size(4 * LANES)]] = float;
using Int16 [[gnu::vector_size(4 * LANES)]] = int;

inline void load(const float* from, Float16& v) { __builtin_memcpy(&v, from, sizeof v); }
inline void store(const Float16& v, float* to) { __builtin_memcpy(to, &v, sizeof v); }

// sum of taps[t] * at(t), the taps' symmetry used: the middle first, then pairs from the middle outwards.
template <typename At>
inline void weighted_sum(const float* taps, int radius, const At& at, Float16& sum) {
  Float16 a, b;
  load(at(radius), sum);
  sum *= taps[radius];
  for (int d = 1; d <= radius; ++d) {
    load(at(radius - d), a);
    load(at(radius + d), b);
    sum += taps[radius + d] * (a + b);
  }
}

void blur_along_row(const BlurJob& job, const float* source, float* padded, float* out, int width) {
  for (int i = -job.radius; i < 0; ++i) padded[job.radius + i] = job.mirrored ? source[mirror(i, job.w)] : 0.0F;
  __builtin_memcpy(padded + job.radius, source, sizeof(float) * static_cast<std::size_t>(job.w));
  for (int i = job.w; i < job.w + job.radius; ++i) {
    padded[job.radius + i] = job.mirrored ? source[mirror(i, job.w)] : 0.0F;
  }
  for (int x = 0; x < width; x += static_cast<int>(LANES)) {
    Float16 sum;
    weighted_sum(job.taps, job.radius, [&](int t) { return padded + x + t; }, sum);
    store(sum, out + x);
  }
}

void blur(const BlurJob& job) {
  const auto width = static_cast<int>(padded_width(static_cast<std::size_t>(job.w)));
  const std::ptrdiff_t stride = width;
  float* padded = job.rows + job.h * stride;
  // What the last, partial block reads beyond the padding.
  for (int i = job.w + job.radius; i < width + 2 * job.radius + static_cast<int>(LANES); ++i) padded[i] = 0;
  for (int y = 0; y < job.h; ++y) {
    blur_along_row(job, job.source + static_cast<std::ptrdiff_t>(y) * job.w, padded, job.rows + y * stride, width);
  }
  static constexpr float NOTHING[LANES] = {};
  const float* near[2 * MAX_RADIUS + 1];  // the rows that a row is summed of; null beyond the map, where zeros are
  for (int y = 0; y < job.h; ++y) {
    for (int t = 0; t <= 2 * job.radius; ++t) {
      const int row = y + t - job.radius;
      const bool inside = row >= 0 && row < job.h;
      near[t] = inside || job.mirrored ? job.rows + (inside ? row : mirror(row, job.h)) * stride : nullptr;
    }
    float* out = job.out + static_cast<std::ptrdiff_t>(y) * job.w;
    for (int x = 0; x < job.w; x += static_cast<int>(LANES)) {
      Float16 sum;
      if (job.column) {
        weighted_sum(job.taps, job.radius, [&](int t) { return near[t] ? near[t] + x : NOTHING; }, sum);
      } else {
        load(job.rows + y * stride + x, sum);
      }
      const int left = job.w - x;
      if (left >= static_cast<int>(LANES)) {
        store(sum, out + x);
      } else {
        __builtin_memcpy(out + x, &sum, sizeof(float) * static_cast<std::size_t>(left));
      }
    }
  }
}

// sum += exp(v): 2^n * e^r with n whole and |r| <= ln(2) / 2, e^r by its Taylor series (error 5e-9).
inline void add_power(const Float16& power, Float16& sum) {
  constexpr float LEAST = -87;  // below, the power is not a normal float; NaN lands here too
  constexpr float LOG2_E = 1.44269504F, LN2_HIGH = 0.693359375F, LN2_LOW = -2.12194440e-4F;
  constexpr float ROUND = 12582912;  // 1.5 * 2^23: adding and subtracting it leaves a whole number
  const Float16 v = power > LEAST ? power : Float16{} + LEAST;
  const Float16 n = (v * LOG2_E + ROUND) - ROUND;
  const Float16 r = v - n * LN2_HIGH - n * LN2_LOW;
  const Float16 series =
      1 + r * (1 + r * (1.0F / 2 + r * (1.0F / 6 + r * (1.0F / 24 + r * (1.0F / 120 + r * (1.0F / 720 + r * (1.0F / 5040)))))));
  const Int16 bits = (__builtin_convertvector(n, Int16) + 127) << 23;
  Float16 scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  sum += series * scale;
}

double sum_of_powers(const float* v, std::size_t n, float top, float gain) {
  Float16 sum = {};
  Float16 values;
  std::size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    load(v + i, values);
    add_power((values - top) * gain, sum);
  }
  if (i < n) {
    values = Float16{} - __builtin_inff();
    __builtin_memcpy(&values, v + i, sizeof(float) * (n - i));
    add_power((values - top) * gain, sum);
  }
  double total = 0;
  for (std::size_t lane = 0; lane < LANES; ++lane) total += static_cast<double>(sum[lane]);
  return total;
}

bool any_at_least(const float* v, std::size_t n, float least) {
  Int16 found = {};
  Float16 values;
  std::size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    load(v + i, values);
    found |= values >= least;
  }
  int any = 0;
  for (std::size_t lane = 0; lane < LANES; ++lane) any |= found[lane];
  for (; i < n; ++i) any |= v[i] >= least;
  return any != 0;
}

}  // namespace
}  // namespace edge_pose
