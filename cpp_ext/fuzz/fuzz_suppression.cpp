#include "bytes.hpp"
#include "edge_pose/detections.hpp"
#include "edge_pose/oks.hpp"
#include "edge_pose/parametric_nms.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  const std::size_t n = in.size(0, 40), k = in.size(1, 6);
  const auto boxes = in.reals(4 * n), scores = in.reals(n), areas = in.reals(n);
  const auto xy = in.reals(2 * n * k), joint_scores = in.reals(n * k), spread = in.reals(k);
  const std::vector<double> sigmas(spread.begin(), spread.end());
  std::vector<std::int64_t> classes(n);
  for (auto& c : classes) c = static_cast<std::int64_t>(in.size(0, 3));
  const float threshold = static_cast<float>(in.size(0, 20)) / 20.0F;
  nms(boxes.data(), scores.data(), in.flag() ? classes.data() : nullptr, n, threshold, in.flag() ? 1.0F : 0.0F,
      in.size(0, 50));
  OksOptions options{sigmas.data(), static_cast<Visibility>(in.size(0, 2)), in.real()};
  const PosesView poses{xy.data(), joint_scores.data(), areas.data(), n, k};
  std::vector<double> matrix(n * n);
  oks_matrix(poses, poses, options, matrix.data());
  oks_nms(poses, scores.data(), options, threshold);
  soft_oks_nms(poses, scores.data(), options, threshold, in.size(0, 50));
  nearby_joints_nms(poses, scores.data(), threshold, in.size(0, k), in.size(0, 50));
  ParametricNmsOptions parametric;
  parametric.match_joints = in.size(0, k);
  parametric.area_threshold = in.real();
  pose_nms({boxes.data(), scores.data(), xy.data(), joint_scores.data(), n, k}, parametric);
}

EDGE_POSE_FUZZ(run)
