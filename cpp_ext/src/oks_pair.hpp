// OKS of one pose with another, in float64 from float32 coordinates.
#pragma once

#include <cstddef>
#include <vector>

#include "edge_pose/oks.hpp"

namespace edge_pose {

class OksPair {
 public:
  OksPair(const PosesView& a, const PosesView& b, const OksOptions& options);
  double operator()(std::size_t i, std::size_t j) const;  // a's pose i, b's pose j

 private:
  PosesView a_, b_;
  OksOptions options_;
  std::vector<double> scales_;  // (2 sigma)^2
};

}  // namespace edge_pose
