// OKS in float64, eight joints at a time, and a test in float32 that settles most pairs without one exponential.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "edge_pose/oks.hpp"
#include "vectors.hpp"

namespace edge_pose {

// exp(-x) for x >= 0, within two units in the last place; 0 from x = 700 on, and for NaN.
EDGE_POSE_INLINE void exp_negative(F64x8& x) {
  const F64x8 most = F64x8{} + 700.0;
  const I64x8 small = x < most;
  x = small ? x : most;
  // exp(-x) = 2^n exp(r), |r| <= ln(2) / 2. Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
  const F64x8 shifted = x * -1.4426950408889634 + 6755399441055744.0;
  const F64x8 n = shifted - 6755399441055744.0;
  const F64x8 r = (-x - n * 0.69314718036912382) - n * 1.9082149292705877e-10;  // ln(2) in two parts
  F64x8 p = r * (1.0 / 6227020800) + 1.0 / 479001600;                           // the Taylor series of exp(r)
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  I64x8 bits, power;
  std::memcpy(&bits, &p, sizeof p);
  std::memcpy(&power, &shifted, sizeof shifted);
  bits = (bits + (power << 52)) & small;  // the integer's low bits land in the exponent; the others leave at the top
  std::memcpy(&x, &bits, sizeof x);
}

// Poses with their joints side by side.
class OksLanes {
 public:
  // rows: which poses of the view, in which order.
  OksLanes(const PosesView& poses, const OksOptions& options, const std::vector<std::size_t>& rows)
      : stride_((poses.k + 7) / 8 * 8), values_(rows.size() * 3 * stride_, 0.0F), areas_(rows.size()) {
    const bool scored = options.visibility != Visibility::all && poses.joint_scores != nullptr;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const float* xy = poses.xy + 2 * poses.k * rows[i];
      float* to = &values_[i * 3 * stride_];
      for (std::size_t k = 0; k < poses.k; ++k) {
        to[k] = xy[2 * k];
        to[stride_ + k] = xy[2 * k + 1];
        const bool seen = !scored || poses.joint_scores[poses.k * rows[i] + k] > options.visible;
        to[2 * stride_ + k] = seen ? 1.0F : 0.0F;
      }
      areas_[i] = poses.areas[rows[i]];
    }
  }

  std::size_t stride() const { return stride_; }
  const float* x(std::size_t i) const { return &values_[i * 3 * stride_]; }  // then y, then 1 where seen, 0 elsewhere
  float area(std::size_t i) const { return areas_[i]; }

 private:
  std::size_t stride_;
  std::vector<float> values_, areas_;
};

// Similarities that nobody asks for: those below `value` with certainty.
struct OksFloor {
  explicit OksFloor(double least)
      : value(static_cast<float>(least * 0.999)),
        cut(static_cast<float>(1.5 - std::log(least))),
        beyond(static_cast<float>(least * std::exp(-1.5))) {}
  float value, cut, beyond;  // a joint whose exponent is `cut` or more adds `beyond` at most
};

class Oks {
  // What COCO's evaluation adds to areas: the smallest step above 1, so that an area of 0 does not divide.
  static constexpr float EPSILON = 2.220446049250313e-16F;

  template <typename V>
  static EDGE_POSE_INLINE auto add(const V& v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
  }

 public:
  Oks(std::size_t joints, const OksOptions& options)
      : visibility_(options.visibility),
        stride_((joints + 7) / 8 * 8),
        scale_(stride_, 0.0),
        rough_(stride_, 0.0F),
        all_(stride_, 0.0F) {
    for (std::size_t k = 0; k < joints; ++k) {
      const double v = 4 * options.sigmas[k] * options.sigmas[k];
      scale_[k] = 0.5 / v;
      rough_[k] = static_cast<float>(scale_[k]);
      all_[k] = 1;
      widest_ = std::max(widest_, v);
    }
  }

  // Extents with gap^2 > slope(least) * (area + area) + base() have no OKS > least.
  static float base() { return 1e-12F; }
  float slope(double least) const {
    return static_cast<float>(std::min(1e30, std::max(0.0, -std::log(least)) * widest_ * 1.001));
  }

  // OKS of a's pose i with b's candidate j; 0 where it is below the floor.
  EDGE_POSE_INLINE double operator()(const OksLanes& a, std::size_t i, const OksLanes& b, std::size_t j,
                                     const OksFloor& floor) const {
    const float area = (a.area(i) + b.area(j)) / 2;
    const float *ax = a.x(i), *bx = b.x(j);
    const float* seen_a = visibility_ == Visibility::both ? ax + 2 * stride_ : all_.data();
    const float* seen_b = visibility_ == Visibility::all ? all_.data() : bx + 2 * stride_;
    const auto distances = [&](std::size_t k, F32x8& squared, F32x8& weight) __attribute__((always_inline)) {
      F32x8 dx, dy, other;
      load(dx, bx + k);
      load(other, ax + k);
      dx -= other;
      load(dy, bx + stride_ + k);
      load(other, ax + stride_ + k);
      dy -= other;
      squared = dx * dx + dy * dy;
      load(weight, seen_a + k);
      load(other, seen_b + k);
      weight *= other;
    };
    const float inverse = 1.0F / (area + EPSILON);
    F32x8 close = {}, count = {}, squared, weight;
    I32x8 bad = {};
    for (std::size_t k = 0; k < stride_; k += 8) {
      distances(k, squared, weight);
      F32x8 rough;
      load(rough, &rough_[k]);
      close += squared * (rough * inverse) < floor.cut ? weight : F32x8{};
      count += weight;
      bad |= (weight > 0.0F) & (squared != squared);
    }
    const float joints = add(count), near = add(close);
    // So few joints are close that the sum cannot reach the floor; or none counts, or one that does is a NaN.
    if (!(near + (joints - near) * floor.beyond >= floor.value * joints) || joints == 0 || any(bad)) return 0;
    if (area != area) return 0;
    const double exact_inverse = 1.0 / (static_cast<double>(area) + static_cast<double>(EPSILON));
    F64x8 sum = {};
    for (std::size_t k = 0; k < stride_; k += 8) {
      distances(k, squared, weight);
      F64x8 e;
      load(e, &scale_[k]);
      e *= __builtin_convertvector(squared, F64x8) * exact_inverse;
      exp_negative(e);
      sum += e * __builtin_convertvector(weight, F64x8);
    }
    return add(sum) / static_cast<double>(joints);
  }

 private:
  Visibility visibility_;
  std::size_t stride_;
  std::vector<double> scale_;  // 1 / (2 (2 sigma)^2), and 0 as padding
  std::vector<float> rough_;   // the same
  std::vector<float> all_;     // 1 for joints, 0 for the padding
  double widest_ = 0;          // (2 sigma)^2, the largest
};

}  // namespace edge_pose
