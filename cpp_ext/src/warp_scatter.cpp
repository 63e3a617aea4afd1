#include "warp_scatter.hpp"

#include <algorithm>
#include <cmath>

#include "warp_columns.hpp"

namespace edge_pose::warp {
namespace {

constexpr int RUN = 512;           // pixels until positions start afresh from doubles
constexpr double ROUND = 0x1p-14;  // so close to the last column or row a weight would round to 1
constexpr float WEIGHT_UNIT = 1.0F / WEIGHT_ONE;

struct Span {
  int begin, end;
  void meet(Span other) {
    begin = std::max(begin, other.begin);
    end = std::max(begin, std::min(end, other.end));
  }
};

// Smallest i in [0, count] for which holds(i), where it holds from some i on. The guess only saves steps.
template <typename Condition>
int first_where(int count, double guess, Condition&& holds) {
  int i = guess > 0 ? (guess < count ? static_cast<int>(guess) : count) : 0;
  while (i > 0 && holds(i - 1)) --i;
  while (i < count && !holds(i)) ++i;
  return i;
}

// The i in [0, count) with low <= axis.at(i) < high. They lie side by side, because rounding keeps order.
Span inside(const Axis& axis, int count, double low, double high) {
  if (axis.step == 0) return {0, axis.start >= low && axis.start < high ? count : 0};
  const double to_low = (low - axis.start) / axis.step, to_high = (high - axis.start) / axis.step;
  if (axis.step > 0) {
    return {first_where(count, to_low, [&](int i) { return axis.at(i) >= low; }),
            first_where(count, to_high, [&](int i) { return axis.at(i) >= high; })};
  }
  return {first_where(count, to_high, [&](int i) { return axis.at(i) < high; }),
          first_where(count, to_low, [&](int i) { return axis.at(i) < low; })};
}

struct Sampler {
  const Kernels& kernels;
  const Frame& frame;
  Patch patch;
  int fill;

  // One pixel of the border, tap by tap.
  void sample(double x, double y, float (&pixel)[3]) const {
    const Tap tx = tap_at(x), ty = tap_at(y);
    for (int c = 0; c < 3; ++c) {
      float sum = 0.0F;
      for (int row = 0; row < 2; ++row) {
        std::int32_t h = 0;
        for (int column = 0; column < 2; ++column) {
          const int px = tx.index + column, py = ty.index + row;
          const bool seen = px >= 0 && px < frame.width && py >= 0 && py < frame.height;
          const int value = seen ? patch.at(px, py)[c] : fill;
          h += value * (column ? tx.weight : WEIGHT_ONE - tx.weight);
        }
        const float weight = static_cast<float>(row ? ty.weight : WEIGHT_ONE - ty.weight) * WEIGHT_UNIT * WEIGHT_UNIT;
        sum += static_cast<float>(h) * weight;
      }
      pixel[c] = sum;
    }
  }

  // `count` pixels from `begin` on, all of whose taps are in the frame. Half a weight unit is added to round.
  void run(const Axis& across, const Axis& down, int begin, int count, const Target& target) const {
    constexpr double ONE = 0x1p32, HALF = 0x1p-15;
    const bool several = count > 1;  // then both ends lie in the frame and a step is no longer than it
    kernels.scatter_run({count, patch.data, patch.stride, patch.width - 2, patch.height - 2, patch.readable,
                         static_cast<std::int64_t>((across.at(begin) - patch.x + HALF) * ONE),
                         static_cast<std::int64_t>((down.at(begin) - patch.y + HALF) * ONE),
                         several ? static_cast<std::int64_t>(across.step * ONE) : 0,
                         several ? static_cast<std::int64_t>(down.step * ONE) : 0, target});
  }
};

// The smallest patch that holds every tap of output rows [y0, y1), with a margin for rounding.
Patch patch_for(const Kernels& kernels, const Frame& frame, const double* across, const double* down, int width, int y0,
                int y1, std::vector<std::uint8_t>& memory) {
  double low[2], high[2];
  for (int axis = 0; axis < 2; ++axis) {
    const double* m = axis ? down : across;
    const double size = axis ? frame.height : frame.width;
    const double corners[4] = {m[1] * y0 + m[2], m[0] * (width - 1) + m[1] * y0 + m[2], m[1] * (y1 - 1) + m[2],
                               m[0] * (width - 1) + m[1] * (y1 - 1) + m[2]};
    low[axis] = std::clamp(*std::min_element(corners, corners + 4) - 2.0, 0.0, size);
    high[axis] = std::clamp(*std::max_element(corners, corners + 4) + 3.0, 0.0, size);
  }
  return open_patch(frame, kernels, static_cast<int>(low[0]), static_cast<int>(low[1]), static_cast<int>(high[0]),
                    static_cast<int>(high[1]), memory);
}

}  // namespace

void warp_scattered(const Kernels& kernels, const Frame& frame, const double* across, const double* down,
                    const Output& out, int fill, int n, int y0, int y1, std::vector<std::uint8_t>& memory) {
  const int width = out.batch().w;
  const bool reachable = std::abs(frame.stride) < 0x7FFFFFFF;  // by the SIMD levels' 32-bit products
  const Sampler sampler{reachable ? kernels : scalar_kernels, frame,
                        patch_for(kernels, frame, across, down, width, y0, y1, memory), fill};
  for (int y = y0; y < y1; ++y) {
    const Axis x_at{across[1] * y + across[2], across[0]}, y_at{down[1] * y + down[2], down[0]};
    Span seen = inside(x_at, width, -1.0, frame.width);
    seen.meet(inside(y_at, width, -1.0, frame.height));
    Span whole = inside(x_at, width, 0.0, frame.width - 1 - ROUND);
    whole.meet(inside(y_at, width, 0.0, frame.height - 1 - ROUND));
    if (whole.begin >= whole.end) whole = {seen.end, seen.end};

    out.fill(n, y, y + 1, 0, seen.begin);
    out.fill(n, y, y + 1, seen.end, width);
    for (int x = seen.begin; x < seen.end; ++x) {
      if (x == whole.begin) x = whole.end;
      if (x >= seen.end) break;
      float pixel[3];
      sampler.sample(x_at.at(x), y_at.at(x), pixel);
      store_pixel(out.target(n, y, x), 0, pixel);
    }
    for (int x = whole.begin; x < whole.end; x += RUN) {
      sampler.run(x_at, y_at, x, std::min(RUN, whole.end - x), out.target(n, y, x));
    }
  }
}

}  // namespace edge_pose::warp
