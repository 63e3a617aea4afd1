// Object keypoint similarity (OKS; Lin et al. 2014) of poses, and the suppression built on it.
//
// OKS of two poses = mean over the joints that count of exp(-d^2 / (2 (2 sigma)^2 area)). Areas are in square pixels,
// sigmas one a joint. Between two detections the area is the mean of both. An area of 0 leaves 1 for joints that
// coincide and 0 for all others. A pose with a coordinate that is NaN is similar to nobody (0). No joint counts: 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edge_pose {

// n poses of k joints borrowed from the caller: xy [n][k][2] pixels, joint_scores [n][k] or null, areas [n].
struct PosesView {
  const float* xy;
  const float* joint_scores;
  const float* areas;
  std::size_t n, k;
};

// Which joints count: all, those seen in both poses, or those seen in the second pose, whatever the first one says.
enum class Visibility { all, both, candidate };

struct OksOptions {
  const double* sigmas;  // [k]
  Visibility visibility = Visibility::all;
  float visible = 0;  // a joint is seen when its score is strictly greater
};

// out [a.n][b.n]; b's joints are the candidates'.
void oks_matrix(const PosesView& a, const PosesView& b, const OksOptions& options, double* out);

// Greedy: a pose goes when its similarity to a better one that stays exceeds the threshold. Kept indices, best first;
// ties keep the lower index; NaN scores sort last.
std::vector<std::int64_t> oks_nms(const PosesView& poses, const float* scores, const OksOptions& options,
                                  double threshold);

struct Rescored {
  std::vector<std::int64_t> kept;  // in the order of the lowered scores
  std::vector<float> scores;       // as they were when their pose was chosen
};

// Nobody goes: every chosen pose multiplies the scores of the others by exp(-OKS^2 / threshold), and the best of those
// is next, until max_poses are chosen. Ties choose the lower index; NaN scores come last.
Rescored soft_oks_nms(const PosesView& poses, const float* scores, const OksOptions& options, double threshold,
                      std::size_t max_poses);

// A pose is near to another when more than min_joints of their joints are closer than distance * diagonal, the diagonal
// being that of the first one's extent; it is near to itself. By descending score, each pose that nobody silenced
// yields the best pose near to it: if that one is not silenced it is kept, and all near to the first are silenced.
// areas are not used. Kept indices in the order of these decisions; best first when more than max_poses were kept and
// only the best are returned. A pose whose joints all coincide is near to itself only.
std::vector<std::int64_t> nearby_joints_nms(const PosesView& poses, const float* scores, double distance,
                                            std::size_t min_joints, std::size_t max_poses);

// What COCO's evaluation calls OKS, in float64: d detections against g ground truths.
struct CocoPoses {
  const double* dt_xy;              // [d][k][2]
  const double* gt_xy;              // [g][k][2]
  const std::uint8_t* gt_labelled;  // [g][k] joints that count
  const double* gt_areas;           // [g]
  const double* gt_boxes;           // [g][4] x, y, width, height
  std::size_t d, g, k;
};

// out [d][g]. Where a ground truth has no labelled joint, distances are measured to its box enlarged by its own size
// on every side, 0 inside, over all joints.
void coco_oks(const CocoPoses& poses, const double* sigmas, double* out);

}  // namespace edge_pose
