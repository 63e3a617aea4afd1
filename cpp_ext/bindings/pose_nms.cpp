#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "common.hpp"
#include "edge_pose/oks.hpp"
#include "edge_pose/parametric_nms.hpp"

namespace edge_pose::bindings {

namespace {

using MaybeArray = std::optional<py::array>;

const float* floats(const py::array& a) { return static_cast<const float*>(a.data()); }
const double* doubles(const py::array& a) { return static_cast<const double*>(a.data()); }

[[noreturn]] void refuse(const std::string& message) { raise("ShapeError", message); }

// Checked float32 (n, k, 2) coordinates with their areas and, where given, joint scores.
PosesView poses_view(const py::array& xy, const char* name, const py::array* areas, const MaybeArray& joint_scores) {
  check<float>(xy, name, {ANY, ANY, 2});
  const ssize_t n = xy.shape(0), k = xy.shape(1);
  if (k == 0) {
    refuse(std::string(name) + " must have at least one joint, got shape " + shape_text(shape_of(xy)));
  }
  if (areas != nullptr) {
    check<float>(*areas, "areas", {n});
    const float* values = floats(*areas);
    if (std::any_of(values, values + n, [](float v) { return v < 0; })) refuse("areas must not be negative");
  }
  if (joint_scores) check<float>(*joint_scores, "joint_scores", {n, k});
  return {floats(xy), joint_scores ? floats(*joint_scores) : nullptr, areas != nullptr ? floats(*areas) : nullptr,
          static_cast<std::size_t>(n), static_cast<std::size_t>(k)};
}

OksOptions oks_options(const py::array& sigmas, std::size_t joints, bool scored, const std::optional<float>& visible,
                       const std::string& visibility) {
  check<double>(sigmas, "sigmas", {static_cast<ssize_t>(joints)});
  OksOptions options{doubles(sigmas)};
  if (!std::all_of(options.sigmas, options.sigmas + joints, [](double v) { return v > 0 && std::isfinite(v); })) {
    refuse("sigmas must be positive");
  }
  if (visibility != "both" && visibility != "candidate") {
    refuse("visibility must be \"both\" or \"candidate\", got \"" + visibility + "\"");
  }
  if (!visible) return options;
  if (!scored) refuse("visible needs joint_scores; leave visible=None to count every joint");
  options.visible = *visible;
  options.visibility = visibility == "both" ? Visibility::both : Visibility::candidate;
  return options;
}

std::size_t count(ssize_t value, const char* name) {
  if (value < 0) refuse(std::string(name) + " must not be negative, got " + std::to_string(value));
  return static_cast<std::size_t>(value);
}

py::array_t<std::int64_t> indices(std::vector<std::int64_t>&& values) {
  const auto n = static_cast<ssize_t>(values.size());
  return owned(std::move(values), {n});
}

py::array_t<double> matrix(const py::array& a_xy, const py::array& a_areas, const py::array& b_xy,
                           const py::array& b_areas, const py::array& sigmas, const MaybeArray& a_joint_scores,
                           const MaybeArray& b_joint_scores, const std::optional<float>& visible,
                           const std::string& visibility, const py::object& out) {
  const PosesView a = poses_view(a_xy, "a_xy", &a_areas, a_joint_scores);
  const PosesView b = poses_view(b_xy, "b_xy", &b_areas, b_joint_scores);
  if (a.k != b.k) {
    refuse("a_xy and b_xy must have as many joints, got " + std::to_string(a.k) + " and " + std::to_string(b.k));
  }
  // "candidate" never looks at a's scores.
  const bool scored = b_joint_scores && (a_joint_scores || visibility == "candidate");
  const OksOptions options = oks_options(sigmas, a.k, scored, visible, visibility);
  auto result = output<double>(out, "out", {static_cast<ssize_t>(a.n), static_cast<ssize_t>(b.n)});
  const py::array* a_seen = a_joint_scores ? &*a_joint_scores : &a_xy;
  const py::array* b_seen = b_joint_scores ? &*b_joint_scores : &b_xy;
  for (const py::array* input : {&a_xy, &a_areas, a_seen, &b_xy, &b_areas, b_seen, &sigmas}) {
    if (share_memory(result, *input)) refuse("out must not share memory with an input");
  }
  double* data = result.mutable_data();
  {
    py::gil_scoped_release release;
    oks_matrix(a, b, options, data);
  }
  return result;
}

py::array_t<std::int64_t> hard(const py::array& xy, const py::array& scores, const py::array& areas,
                               const py::array& sigmas, double threshold, const MaybeArray& joint_scores,
                               const std::optional<float>& visible, const std::string& visibility) {
  const PosesView poses = poses_view(xy, "xy", &areas, joint_scores);
  check<float>(scores, "scores", {xy.shape(0)});
  const OksOptions options = oks_options(sigmas, poses.k, joint_scores.has_value(), visible, visibility);
  if (!(threshold >= 0 && threshold <= 1)) {
    refuse("threshold must lie in 0..1, got " + std::to_string(threshold));
  }
  std::vector<std::int64_t> kept;
  {
    py::gil_scoped_release release;
    kept = oks_nms(poses, floats(scores), options, threshold);
  }
  return indices(std::move(kept));
}

py::tuple soft(const py::array& xy, const py::array& scores, const py::array& areas, const py::array& sigmas,
               double threshold, ssize_t max_det, const MaybeArray& joint_scores, const std::optional<float>& visible,
               const std::string& visibility) {
  const PosesView poses = poses_view(xy, "xy", &areas, joint_scores);
  check<float>(scores, "scores", {xy.shape(0)});
  const OksOptions options = oks_options(sigmas, poses.k, joint_scores.has_value(), visible, visibility);
  if (!(threshold > 0 && std::isfinite(threshold))) {
    refuse("threshold must be positive, got " + std::to_string(threshold));
  }
  const std::size_t most = count(max_det, "max_det");
  Rescored result;
  {
    py::gil_scoped_release release;
    result = soft_oks_nms(poses, floats(scores), options, threshold, most);
  }
  const auto n = static_cast<ssize_t>(result.kept.size());
  return py::make_tuple(owned(std::move(result.kept), {n}), owned(std::move(result.scores), {n}));
}

py::array_t<std::int64_t> nearby(const py::array& xy, const py::array& scores, double distance,
                                 const std::optional<ssize_t>& min_joints, const std::optional<ssize_t>& max_det) {
  const PosesView poses = poses_view(xy, "xy", nullptr, std::nullopt);
  check<float>(scores, "scores", {xy.shape(0)});
  if (!(distance > 0 && std::isfinite(distance))) {
    refuse("distance must be positive, got " + std::to_string(distance));
  }
  const std::size_t joints = min_joints ? count(*min_joints, "min_joints") : poses.k / 2;
  const std::size_t most = max_det ? count(*max_det, "max_det") : poses.n;
  std::vector<std::int64_t> kept;
  {
    py::gil_scoped_release release;
    kept = nearby_joints_nms(poses, floats(scores), distance, joints, most);
  }
  return indices(std::move(kept));
}

py::array_t<double> coco(const py::array& dt_xy, const py::array& gt_xy, const py::array& gt_labelled,
                         const py::array& gt_areas, const py::array& gt_boxes, const py::array& sigmas) {
  check<double>(dt_xy, "dt_xy", {ANY, ANY, 2});
  const ssize_t d = dt_xy.shape(0), k = dt_xy.shape(1);
  check<double>(gt_xy, "gt_xy", {ANY, k, 2});
  const ssize_t g = gt_xy.shape(0);
  check<bool>(gt_labelled, "gt_labelled", {g, k});
  check<double>(gt_areas, "gt_areas", {g});
  check<double>(gt_boxes, "gt_boxes", {g, 4});
  check<double>(sigmas, "sigmas", {k});
  const CocoPoses poses{doubles(dt_xy),
                        doubles(gt_xy),
                        static_cast<const std::uint8_t*>(gt_labelled.data()),
                        doubles(gt_areas),
                        doubles(gt_boxes),
                        static_cast<std::size_t>(d),
                        static_cast<std::size_t>(g),
                        static_cast<std::size_t>(k)};
  py::array_t<double> result({d, g});
  double* data = result.mutable_data();
  const double* scales = doubles(sigmas);
  {
    py::gil_scoped_release release;
    coco_oks(poses, scales, data);
  }
  return result;
}

py::tuple parametric(const py::array& boxes, const py::array& box_scores, const py::array& xy,
                     const py::array& joint_scores, float area_threshold, float delta1, float mu, float delta2,
                     float gamma, float score_threshold, ssize_t match_threshold, float alpha, float score_radius,
                     float match_cap, float merge_cap) {
  const PosesView poses = poses_view(xy, "xy", nullptr, joint_scores);
  const auto n = static_cast<ssize_t>(poses.n), k = static_cast<ssize_t>(poses.k);
  check<float>(boxes, "boxes", {n, 4});
  check<float>(box_scores, "box_scores", {n});
  if (!(delta1 > 0 && delta2 > 0)) {
    refuse("delta1 and delta2 must be positive, got " + std::to_string(delta1) + " and " + std::to_string(delta2));
  }
  const ParametricNmsOptions options{delta1,
                                     mu,
                                     delta2,
                                     gamma,
                                     score_radius,
                                     alpha,
                                     match_cap,
                                     merge_cap,
                                     count(match_threshold, "match_threshold"),
                                     score_threshold,
                                     area_threshold};
  const CandidatesView candidates{floats(boxes), floats(box_scores), poses.xy, poses.joint_scores, poses.n, poses.k};
  MergedPoses r;
  {
    py::gil_scoped_release release;
    r = pose_nms(candidates, options);
  }
  const auto m = static_cast<ssize_t>(r.picked.size());
  return py::make_tuple(owned(std::move(r.boxes), {m, 4}), owned(std::move(r.box_scores), {m}),
                        owned(std::move(r.xy), {m, k, 2}), owned(std::move(r.joint_scores), {m, k}),
                        indices(std::move(r.picked)),
                        py::make_tuple(indices(std::move(r.merged)), indices(std::move(r.offsets))));
}

constexpr const char* OKS_MATRIX =
    R"(Object keypoint similarity of every pose of a with every pose of b, (M, N) float64 in [0, 1].

a_xy: (M, K, 2), b_xy: (N, K, 2) float32 px; a_areas (M,), b_areas (N,) float32 px^2, their mean is used; sigmas: (K,)
float64. visible: only joints with a score > visible count, in both poses, or (visibility="candidate") in b's alone;
needs a_joint_scores (M, K) and b_joint_scores (N, K) float32. No joint counts: 0. An area of 0: 1 for joints that
coincide, else 0. A NaN coordinate: 0. out: (M, N) float64 to write into. Raises ShapeError.
Source: Lin et al. 2014, COCO keypoint evaluation; float64 as evaluation is. Pinned by tests/golden/nms_box_oks.)";

constexpr const char* OKS_NMS =
    R"(Greedy suppression of similar poses: the rows that stay, best first, (m,) int64.

xy: (N, K, 2) float32 px, N may be 0; scores: (N,); areas: (N,) float32 px^2; sigmas: (K,) float64. A pose goes when its
OKS with a better one that stays is > threshold. visible, visibility: as oks_matrix, with joint_scores (N, K); the
better pose is a, the candidate b. "both" is what MMPose does, "candidate" what HRNet's original code does.
Ties keep the lower row, NaN scores sort last. Raises ShapeError. Pinned by tests/golden/nms_box_oks.)";

constexpr const char* SOFT_OKS_NMS =
    R"(Soft suppression: (rows, lowered scores), (m,) int64 and (m,) float32, best first, at most max_det.

Every chosen pose multiplies the scores of the rest by exp(-OKS^2 / threshold); then the best of those is chosen.
Arguments as oks_nms. Ties choose the lower row, NaN scores come last. Raises ShapeError.
Source: Bodla et al. 2017 with OKS for IoU; pinned by tests/golden/nms_box_oks.)";

constexpr const char* NEARBY =
    R"(Suppression by counting close joints: the rows that stay, (m,) int64.

xy: (N, K, 2) float32 px, N may be 0; scores: (N,). Two poses are the same when more than min_joints (K // 2) joints are
closer than distance * the diagonal of the better pose's extent. max_det: at most so many, then best first.
Raises ShapeError. Source: Geng et al. 2021 (DEKR); pinned by tests/golden/nms_box_oks.)";

constexpr const char* COCO_OKS =
    R"(OKS of detections with ground truths as COCO's evaluation defines it, (D, G) float64.

dt_xy: (D, K, 2), gt_xy: (G, K, 2) float64 px; gt_labelled: (G, K) bool, the joints that count; gt_areas: (G,);
gt_boxes: (G, 4) float64 x, y, width, height; sigmas: (K,) float64. A ground truth without any labelled joint is
measured by the distance of the joints to its box enlarged threefold, 0 inside. D or G may be 0. Raises ShapeError.
Source: Lin et al. 2014; pinned by tests/golden/oks_coco.)";

constexpr const char* POSE_NMS =
    R"(Parametric pose NMS: candidates of the same person become one pose.

boxes: (N, 4) float32 xyxy; box_scores: (N,); xy: (N, K, 2) px; joint_scores: (N, K); N may be 0; none is modified.
By descending mean joint score, a candidate is chosen; all that are the same person (similarity > gamma, or at least
match_threshold joints within min(alpha * the chosen box's longer side, match_cap) px) join its cluster. Similarity is
the sum of tanh(s_i / delta1) tanh(s_j / delta1) over joints within score_radius px, and mu exp(-d / delta2) over all.
Joints within min(alpha * side, merge_cap) px of the chosen one's are averaged by score. A cluster whose chosen
candidate has no joint of score_threshold or more is dropped, as is one whose extent times 1.5 in both directions has
less than area_threshold px^2.
Returns boxes (m, 4), box_scores (m,) of the chosen, xy (m, K, 2) and joint_scores (m, K) merged, picked rows (m,)
int64, and the clusters as (rows, offsets): cluster i is rows[offsets[i]:offsets[i + 1]], ascending.
A joint score of 0 counts as 1e-5, invisible joints as all others. Ties choose the lower row; a candidate with a NaN
score is chosen last and dropped; a NaN joint is near to none. Raises ShapeError.
Source: Fang et al. 2017 (RMPE), section 3.2; pinned by tests/golden/nms_alphapose.)";

}  // namespace

void bind_pose_nms(py::module_& m) {
  using namespace pybind11::literals;
  m.def("oks_matrix", &matrix, "a_xy"_a.noconvert(), "a_areas"_a.noconvert(), "b_xy"_a.noconvert(),
        "b_areas"_a.noconvert(), "sigmas"_a.noconvert(), py::kw_only(), "a_joint_scores"_a = py::none(),
        "b_joint_scores"_a = py::none(), "visible"_a = py::none(), "visibility"_a = "both", "out"_a = py::none(),
        OKS_MATRIX);
  m.def("oks_nms", &hard, "xy"_a.noconvert(), "scores"_a.noconvert(), "areas"_a.noconvert(), "sigmas"_a.noconvert(),
        py::kw_only(), "threshold"_a, "joint_scores"_a = py::none(), "visible"_a = py::none(), "visibility"_a = "both",
        OKS_NMS);
  m.def("soft_oks_nms", &soft, "xy"_a.noconvert(), "scores"_a.noconvert(), "areas"_a.noconvert(),
        "sigmas"_a.noconvert(), py::kw_only(), "threshold"_a, "max_det"_a = 20, "joint_scores"_a = py::none(),
        "visible"_a = py::none(), "visibility"_a = "both", SOFT_OKS_NMS);
  m.def("nearby_joints_nms", &nearby, "xy"_a.noconvert(), "scores"_a.noconvert(), py::kw_only(), "distance"_a = 0.05,
        "min_joints"_a = py::none(), "max_det"_a = py::none(), NEARBY);
  m.def("coco_oks", &coco, "dt_xy"_a.noconvert(), "gt_xy"_a.noconvert(), "gt_labelled"_a.noconvert(),
        "gt_areas"_a.noconvert(), "gt_boxes"_a.noconvert(), "sigmas"_a.noconvert(), COCO_OKS);
  m.def("pose_nms", &parametric, "boxes"_a.noconvert(), "box_scores"_a.noconvert(), "xy"_a.noconvert(),
        "joint_scores"_a.noconvert(), py::kw_only(), "area_threshold"_a = 0.0F, "delta1"_a = 1.0F, "mu"_a = 1.7F,
        "delta2"_a = 2.65F, "gamma"_a = 22.48F, "score_threshold"_a = 0.3F, "match_threshold"_a = 5, "alpha"_a = 0.1F,
        "score_radius"_a = 1.0F, "match_cap"_a = 7.0F, "merge_cap"_a = 15.0F, POSE_NMS);
}

}  // namespace edge_pose::bindings
