#include "edge_pose/heatmap.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "edge_pose/gaussian.hpp"
#include "half.hpp"
#include "lanes.hpp"

namespace edge_pose {
namespace {

struct Step {
  double x = 0, y = 0;
};

double quarter_of(float difference) { return difference > 0 ? 0.25 : difference < 0 ? -0.25 : 0.0; }

float value_of(float value) { return value; }
float value_of(std::uint16_t half) { return float_from_half(half); }

template <typename T>
double quarter_x(const T* map, int w, int x, int y) {
  const T* cell = map + static_cast<std::ptrdiff_t>(y) * w + x;
  return quarter_of(value_of(cell[1]) - value_of(cell[-1]));
}

template <typename T>
double quarter_y(const T* map, int w, int x, int y) {
  const T* cell = map + static_cast<std::ptrdiff_t>(y) * w + x;
  return quarter_of(value_of(cell[w]) - value_of(cell[-w]));
}

template <typename T>
Step quarter(const T* map, int h, int w, int x, int y) {
  if (!(1 < x && x < w - 1 && 1 < y && y < h - 1)) return {};
  return {quarter_x(map, w, x, y), quarter_y(map, w, x, y)};
}

template <typename T>
Step quarter_mmpose(const T* map, int h, int w, int x, int y) {
  Step step;
  if (1 < x && x < w - 1 && y > 0) step.x = quarter_x(map, w, x, y);
  if (1 < y && y < h - 1 && x > 0) step.y = quarter_y(map, w, x, y);
  return step;
}

// A map as float32: itself, or its values in scratch.
const float* widened(const float* map, std::size_t, std::vector<float>&) { return map; }
const float* widened(const std::uint16_t* map, std::size_t cells, std::vector<float>& scratch) {
  scratch.resize(cells);
  lanes().widen(map, cells, scratch.data());
  return scratch.data();
}

// The step to the top of the paraboloid with this gradient and Hessian; none where it is not finite.
Step newton(double dx, double dy, double dxx, double dxy, double dyy) {
  const double det = dxx * dyy - dxy * dxy;
  const Step step{(dxy * dy - dyy * dx) / det, (dxy * dx - dxx * dy) / det};
  if (!std::isfinite(step.x) || !std::isfinite(step.y)) return {};
  return step;
}

// The refinements of the DARK family: a Taylor step on the logarithm of the blurred map. Only the cells round the peak
// are blurred. Stretching the map to its old maximum adds a constant to all logarithms, which no difference sees; so
// the maximum of the whole blurred map is looked for only where a value reaches the floor or the ceiling.
class Dark {
 public:
  Dark(Refine refine, int blur) : refine_(refine), kernel_(blur) {}

  Step operator()(const float* map, int h, int w, int x, int y, float peak) {
    const bool udp = refine_ != Refine::DARK;
    if (!udp && !(1 < x && x < w - 2 && 1 < y && y < h - 2)) return {};
    const bool stretched = refine_ != Refine::DARK_UDP_RTMLIB;
    const Border border = stretched ? Border::ZERO : Border::REFLECT;
    const double floor = udp ? 1e-3 : 1e-10;
    const double ceiling = udp ? 50.0 : std::numeric_limits<double>::infinity();
    if (stretched && static_cast<double>(peak) <= floor) return {};  // nothing rises above the floor: all is flat
    blur_patch(map, h, w, x, y, kernel_, border, patch_);

    const int reach = udp ? 1 : 2;
    float least = std::numeric_limits<float>::infinity();
    for (int dy = -reach; dy <= reach; ++dy) {
      for (int dx = -reach; dx <= reach; ++dx) {
        if (inside(x + dx, w) && inside(y + dy, h)) least = std::min(least, patch_.at(dx, dy));
      }
    }
    double stretch = 1;
    if (stretched && (!(least >= floor) || peak > ceiling)) {
      blurred_.resize(static_cast<std::size_t>(h) * static_cast<std::size_t>(w));
      blur_map(map, h, w, kernel_, border, blurred_.data(), scratch_);
      const float top = *std::max_element(blurred_.begin(), blurred_.end());
      if (!(top > 0)) return {};  // a speck among negative values: stretching would turn the map over
      stretch = static_cast<double>(peak) / static_cast<double>(top);
    }

    // Logarithm at an offset from the peak; an offset out of the map reads the edge cell.
    const auto at = [&](int dx, int dy) {
      const int cx = std::clamp(x + dx, 0, w - 1) - x;
      const int cy = std::clamp(y + dy, 0, h - 1) - y;
      return std::log(std::min(std::max(static_cast<double>(patch_.at(cx, cy)) * stretch, floor), ceiling));
    };
    const double here = at(0, 0), right = at(1, 0), left = at(-1, 0), below = at(0, 1), above = at(0, -1);
    const double dx = 0.5 * (right - left), dy = 0.5 * (below - above);
    if (!udp) {
      return newton(dx, dy, 0.25 * (at(2, 0) - 2 * here + at(-2, 0)),
                    0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)), 0.25 * (at(0, 2) - 2 * here + at(0, -2)));
    }
    constexpr double NUDGE = std::numeric_limits<float>::epsilon();
    return newton(dx, dy, right - 2 * here + left + NUDGE,
                  0.5 * (at(1, 1) - right - below + 2 * here - left - above + at(-1, -1)),
                  below - 2 * here + above + NUDGE);
  }

 private:
  static bool inside(int i, int size) { return i >= 0 && i < size; }

  Refine refine_;
  GaussianKernel kernel_;
  Patch patch_;
  std::vector<float> blurred_, scratch_;
};

template <typename T>
void decode(const MapsOf<T>& maps, const double* frame_from_map, Refine refine, int blur, Joints out) {
  const int h = static_cast<int>(maps.h), w = static_cast<int>(maps.w);
  const std::size_t cells = maps.h * maps.w;
  const double missing = refine == Refine::NONE || refine == Refine::QUARTER ? 0.0 : -1.0;
  const bool is_dark = refine == Refine::DARK || refine == Refine::DARK_UDP || refine == Refine::DARK_UDP_RTMLIB;
  Dark dark(refine, is_dark ? blur : 1);
  std::vector<float> scratch;
  for (std::size_t row = 0; row < maps.n * maps.k; ++row) {
    const T* map = maps.data + row * cells;
    const double* matrix = frame_from_map + row / maps.k * 6;
    const Peak peak = find_peak(map, cells);
    out.scores[row] = peak.value;
    if (!(peak.value > 0)) {
      put_point(matrix, missing, missing, out.xy + 2 * row);
      continue;
    }
    const int x = static_cast<int>(peak.index % maps.w), y = static_cast<int>(peak.index / maps.w);
    Step step;
    if (is_dark) {
      step = dark(widened(map, cells, scratch), h, w, x, y, peak.value);
    } else if (refine == Refine::QUARTER) {
      step = quarter(map, h, w, x, y);
    } else if (refine == Refine::QUARTER_MMPOSE) {
      step = quarter_mmpose(map, h, w, x, y);
    }
    put_point(matrix, x + step.x, y + step.y, out.xy + 2 * row);
  }
}

}  // namespace

void decode_heatmap(const MapsView& maps, const double* frame_from_map, Refine refine, int blur, Joints out) {
  decode(maps, frame_from_map, refine, blur, out);
}

void decode_heatmap(const HalfMapsView& maps, const double* frame_from_map, Refine refine, int blur, Joints out) {
  decode(maps, frame_from_map, refine, blur, out);
}

void decode_udp_offset(const MapsView& maps, const double* frame_from_map, int blur, double radius, Joints out) {
  const GaussianKernel kernel(2 * blur + 1);
  const std::size_t cells = maps.h * maps.w, joints = maps.k / 3;
  std::vector<float> blurred(cells), scratch;
  for (std::size_t row = 0; row < maps.n * joints; ++row) {
    const float* heat = maps.data + row * 3 * cells;
    const double* matrix = frame_from_map + row / joints * 6;
    blur_map(heat, static_cast<int>(maps.h), static_cast<int>(maps.w), kernel, Border::REFLECT, blurred.data(),
             scratch);
    const Peak peak = find_peak(blurred.data(), cells);
    out.scores[row] = peak.value;
    double x = -1, y = -1;
    if (peak.value > 0) {
      const double reach = radius * static_cast<double>(maps.h);
      const double to_x = heat[cells + peak.index] * reach, to_y = heat[2 * cells + peak.index] * reach;
      x = static_cast<double>(peak.index % maps.w) + (std::isfinite(to_x) ? to_x : 0);
      y = static_cast<double>(peak.index / maps.w) + (std::isfinite(to_y) ? to_y : 0);
    }
    put_point(matrix, x, y, out.xy + 2 * row);
  }
}

}  // namespace edge_pose
