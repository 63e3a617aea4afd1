// OKS in float32, eight joints at a time, with a known error: enough to decide almost every pair.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "edge_pose/oks.hpp"
#include "vectors.hpp"
#include "oks_pair.hpp"
#include "pose_extents.hpp"

namespace edge_pose {

// exp(-x) for x >= 0, relative error below 1e-6; x beyond 87 gives exp(-87). NaN gives exp(-87), too.
EDGE_POSE_INLINE void exp_negative(F32x8& x) {
  const F32x8 most = {87, 87, 87, 87, 87, 87, 87, 87};
  x = x < most ? x : most;
  const F32x8 y = x * -1.44269504F;     // exp(-x) = 2^y
  const F32x8 shifted = y + 12582912.0F;  // 1.5 * 2^23: rounds to the nearest integer, left in the low bits
  const F32x8 f = y - (shifted - 12582912.0F);
  F32x8 p = 1.5403530e-4F * f + 1.3333558e-3F;  // 2^f on [-0.5, 0.5], its Taylor series
  p = p * f + 9.6181291e-3F;
  p = p * f + 5.5504109e-2F;
  p = p * f + 2.4022651e-1F;
  p = p * f + 6.9314718e-1F;
  p = p * f + 1.0F;
  I32x8 bits, power;
  std::memcpy(&bits, &p, sizeof p);
  std::memcpy(&power, &shifted, sizeof shifted);
  bits += power << 23;  // the integer's low bits land in the exponent; all others leave at the top
  std::memcpy(&x, &bits, sizeof x);
}

class OksFast {
 public:
  static constexpr double ERROR = 1e-5;  // of operator(), ten times what is seen

  // rows: which pose of the view each row here is.
  OksFast(const PosesView& poses, const OksOptions& options, const std::vector<std::size_t>& rows)
      : exact_(poses, poses, options),
        rows_(rows),
        visibility_(options.visibility),
        joints_(poses.k),
        padded_((poses.k + 7) / 8 * 8),
        scale_(padded_, NOT_A_NUMBER),
        all_(padded_, 0.0F),
        values_(rows.size() * 3 * padded_, 0.0F),
        areas_(rows.size()),
        finite_(rows.size(), 1),
        extents_(rows.size()) {
    for (std::size_t k = 0; k < joints_; ++k) {
      const double v = 4 * options.sigmas[k] * options.sigmas[k];
      scale_[k] = static_cast<float>(0.5 / v);
      all_[k] = 1;
      widest_ = std::max(widest_, v);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) fill(i, poses, options);
  }

  // What OKS > least asks of the extents: gap^2 <= base() + slope(least) * (area + area).
  static float base() { return 1e-12F; }
  float slope(double least) const {
    return static_cast<float>(std::min(1e30, std::max(0.0, -std::log(least)) * widest_ * 1.001));
  }
  Extents& extents() { return extents_; }

  // Which similarities nobody asks for: those below `value` with certainty.
  struct Floor {
    explicit Floor(double least)
        : value(static_cast<float>(least * 0.999)),
          cut(static_cast<float>(1.5 - std::log(least))),
          beyond(static_cast<float>(least * std::exp(-1.5))) {}
    float value, cut, beyond;  // a joint whose exponent is `cut` or more adds `beyond` at most
  };

  // OKS of row i with candidate j; only where finite(i, j). Less than ERROR off, and less than 1e-4 of itself; 0 where
  // it is below the floor: so few joints are close that no exponential is needed to see it.
  EDGE_POSE_INLINE float operator()(std::size_t i, std::size_t j, const Floor& floor) const {
    const float *a = &values_[i * 3 * padded_], *b = &values_[j * 3 * padded_];
    const float *seen_a = visibility_ == Visibility::both ? a + 2 * padded_ : all_.data(),
                *seen_b = visibility_ == Visibility::all ? all_.data() : b + 2 * padded_;
    const float inverse = 1.0F / ((areas_[i] + areas_[j]) / 2 + 2.220446e-16F);
    const auto exponents = [&](std::size_t k, F32x8& e, F32x8& weight) __attribute__((always_inline)) {
      F32x8 dx, dy, other;
      load(dx, b + k);
      load(other, a + k);
      dx -= other;
      load(dy, b + padded_ + k);
      load(other, a + padded_ + k);
      dy -= other;
      load(other, &scale_[k]);
      e = (dx * dx + dy * dy) * (other * inverse);
      load(weight, seen_a + k);
      load(other, seen_b + k);
      weight *= other;
    };
    F32x8 close = {}, count = {}, sum = {}, e, weight;
    for (std::size_t k = 0; k < padded_; k += 8) {
      exponents(k, e, weight);
      close += e < floor.cut ? weight : F32x8{};
      count += weight;
    }
    const float joints = add(count), nearby = add(close);
    if (!(nearby + (joints - nearby) * floor.beyond >= floor.value * joints) || joints == 0) return 0;
    for (std::size_t k = 0; k < padded_; k += 8) {
      exponents(k, e, weight);
      exp_negative(e);
      sum += e * weight;
    }
    return add(sum) / joints;
  }

  bool finite(std::size_t i, std::size_t j) const { return (finite_[i] & finite_[j]) != 0; }
  double exact(std::size_t i, std::size_t j) const { return exact_(rows_[i], rows_[j]); }

  // OKS > threshold, as exact() would say.
  EDGE_POSE_INLINE bool above(std::size_t i, std::size_t j, double threshold, const Floor& floor) const {
    if (finite(i, j)) {
      const double oks = static_cast<double>((*this)(i, j, floor));
      if (std::abs(oks - threshold) > ERROR) return oks > threshold;
    }
    return exact(i, j) > threshold;
  }

 private:
  static EDGE_POSE_INLINE float add(const F32x8& v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
  }

  void fill(std::size_t i, const PosesView& poses, const OksOptions& options) {
    const float* xy = poses.xy + 2 * joints_ * rows_[i];
    float* to = &values_[i * 3 * padded_];
    for (std::size_t k = 0; k < joints_; ++k) {
      to[k] = xy[2 * k];
      to[padded_ + k] = xy[2 * k + 1];
      if (!std::isfinite(xy[2 * k]) || !std::isfinite(xy[2 * k + 1])) finite_[i] = 0;
      if (visibility_ != Visibility::all) {
        to[2 * padded_ + k] = poses.joint_scores[joints_ * rows_[i] + k] > options.visible ? 1.0F : 0.0F;
      }
    }
    areas_[i] = poses.areas[rows_[i]];
    extents_.set(i, xy, joints_, areas_[i]);
  }

  OksPair exact_;
  std::vector<std::size_t> rows_;
  Visibility visibility_;
  std::size_t joints_, padded_;
  std::vector<float> scale_, all_;  // 1 / (2 (2 sigma)^2); 1 for joints, 0 for the padding
  std::vector<float> values_;       // x, y, seen of each row, padded with 0
  std::vector<float> areas_;
  std::vector<char> finite_;
  Extents extents_;
  double widest_ = 0;
};

}  // namespace edge_pose
