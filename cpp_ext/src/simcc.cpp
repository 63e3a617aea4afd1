#include "edge_pose/simcc.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "edge_pose/gaussian.hpp"
#include "lanes.hpp"

namespace edge_pose {
namespace {

// The greatest of softmax(gain * v): 1 / sum(exp(gain * (v - max))), NaN bins left out; 0 where no bin is finite.
double softmax_peak(const float* v, std::size_t n, float top, double gain) {
  const double sum = lanes().sum_of_powers(v, n, top, static_cast<float>(gain));
  return sum > 0.5 ? 1 / sum : 0;
}

float combined(SimccScore rule, double x, double y) {
  switch (rule) {
    case SimccScore::MIN:
      return static_cast<float>(std::min(x, y));
    case SimccScore::MEAN:
      return static_cast<float>(0.5 * (x + y));
    case SimccScore::MAX:
      break;
  }
  return static_cast<float>(std::max(x, y));
}

// DARK on one axis: a Taylor step on the logarithm of the blurred vector, its old maximum restored.
class Refiner {
 public:
  explicit Refiner(int blur) : kernel_(blur > 0 ? blur : 1), is_on_(blur > 0) {}

  double operator()(const float* v, std::size_t n, const Peak& peak) {
    if (!is_on_) return 0;
    blurred_.resize(n);
    blur_map(v, 1, static_cast<int>(n), kernel_, Border::ZERO, blurred_.data(), scratch_, false);
    const double stretch =
        static_cast<double>(peak.value) / static_cast<double>(*std::max_element(blurred_.begin(), blurred_.end()));
    const auto at = [&](int d) {
      const auto i = std::clamp(static_cast<std::ptrdiff_t>(peak.index) + d, std::ptrdiff_t{0},
                                static_cast<std::ptrdiff_t>(n) - 1);
      const double value = static_cast<double>(blurred_[static_cast<std::size_t>(i)]) * stretch;
      return std::log(std::min(std::max(value, 1e-3), 50.0));
    };
    const double step = 0.5 * (at(1) - at(-1)) / (1e-9 + 0.25 * (at(2) - 2 * at(0) + at(-2)));
    return std::isfinite(step) ? -step : 0;
  }

 private:
  GaussianKernel kernel_;
  bool is_on_;
  std::vector<float> blurred_, scratch_;
};

}  // namespace

void decode_simcc(const VectorsView& vectors, const double* frame_from_input, const SimccOptions& options, Joints out) {
  Refiner refine_x(options.blur_x), refine_y(options.blur_y);
  for (std::size_t row = 0; row < vectors.n * vectors.k; ++row) {
    const float* x = vectors.x + row * vectors.wx;
    const float* y = vectors.y + row * vectors.wy;
    const Peak peak_x = find_peak(x, vectors.wx), peak_y = find_peak(y, vectors.wy);
    double score_x = static_cast<double>(peak_x.value), score_y = static_cast<double>(peak_y.value);
    if (options.softmax) {
      score_x = softmax_peak(x, vectors.wx, peak_x.value, options.gain_x);
      score_y = softmax_peak(y, vectors.wy, peak_y.value, options.gain_y);
    }
    const float score = combined(options.score, score_x, score_y);
    out.scores[row] = score;
    double bin_x = -1, bin_y = -1;
    if (score > 0) {
      bin_x = static_cast<double>(peak_x.index) + refine_x(x, vectors.wx, peak_x);
      bin_y = static_cast<double>(peak_y.index) + refine_y(y, vectors.wy, peak_y);
    }
    put_point(frame_from_input + row / vectors.k * 6, bin_x / options.split_ratio, bin_y / options.split_ratio,
              out.xy + 2 * row);
  }
}

}  // namespace edge_pose
