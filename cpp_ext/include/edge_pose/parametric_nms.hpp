// Parametric pose NMS: Fang et al. 2017, "RMPE: Regional Multi-Person Pose Estimation", section 3.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edge_pose {

struct ParametricNmsOptions {
  float delta1 = 1.0F;           // scale of the scores inside tanh
  float mu = 1.7F;               // weight of the distance term
  float delta2 = 2.65F;          // scale of the distances, pixels
  float gamma = 22.48F;          // a similarity above it is the same person
  float score_radius = 1.0F;     // pixels within which the score term counts
  float alpha = 0.1F;            // radius of matching and merging, as a share of the chosen box's longer side
  float match_cap = 7.0F;        // pixels; that radius at most, for counting joints that match
  float merge_cap = 15.0F;       // pixels; at most, for merging joints
  std::size_t match_joints = 5;  // so many matching joints are the same person, too
  float score_threshold = 0.3F;  // a person whose best joint is below it is dropped
  float area_threshold = 0.0F;   // as is one whose enlarged extent (1.5 x in both directions) is smaller, square pixels
};

// n candidates of k joints: boxes [n][4] xyxy, box_scores [n], xy [n][k][2], joint_scores [n][k].
struct CandidatesView {
  const float* boxes;
  const float* box_scores;
  const float* xy;
  const float* joint_scores;
  std::size_t n, k;
};

// m people, in order of their mean joint score; ties keep the lower index.
struct MergedPoses {
  std::vector<float> boxes, box_scores;  // of the chosen candidate
  std::vector<float> xy, joint_scores;   // merged over the cluster, weighted by score
  std::vector<std::int64_t> picked;      // [m]
  std::vector<std::int64_t> merged;      // ids of all clusters, ascending in each, the chosen one included
  std::vector<std::int64_t> offsets;     // [m + 1]: cluster i is merged[offsets[i] .. offsets[i + 1])
};

// The best candidate is chosen, all that are the same person leave with it, and so on; then each cluster is merged.
// A joint score of 0 counts as 1e-5, invisible joints as all others. A candidate with a NaN score is chosen last and
// dropped; a joint with a NaN is near to no joint.
MergedPoses pose_nms(const CandidatesView& candidates, const ParametricNmsOptions& options);

}  // namespace edge_pose
