#include "edge_pose/movenet.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "edge_pose/movenet_crop.hpp"
#include "keypoints.hpp"

namespace edge_pose::bindings {
namespace {

constexpr double LEAST_FALL_OFF = 1e-6, MOST_FALL_OFF = 1e6;  // as float32 neither 0 nor infinite

constexpr const char* DECODE_MOVENET_HEADS = R"(MoveNet's pose from its four raw heads, in frame pixels.

center: (N, 1, H, W), regression: (N, 2K, H, W), heatmaps: (N, K, H, W), offsets: (N, 2K, H, W), all float32; N may
be 0. layout="nhwc": the channels last instead. center may also be (N, H, W). frame_from_input: (N, 2, 3) float64,
input px -> frame. stride: input pixels per cell. order: "yx" (Google) or "xy" (fire717) within a channel pair.
logits: center and heatmaps want a sigmoid. whole_cells: truncate regressions to whole cells (fire717). min_score:
heatmap cells below are no candidates; a joint without any lies at its regressed place with score 0. fall_off: a cell
counts 1 / (its distance from there in cells + fall_off), which is between 1e-6 and 1e6. votes: a joint lies at the
mean of what its cell and those around say, weighed by their squared probabilities (as Papandreou et al. 2017, sec. 3.2,
over nine cells). out: (xy, scores) to write to. Returns xy (N, K, 2) float32, x first, and scores (N, K) float32,
probabilities. Raises ShapeError. Source: Google's MoveNet as re-implemented by lee-man and fire717, without votes and
with a fall_off of 1.8.)";

// One head; the sizes are the heatmaps'.
MovenetHead head(const py::array& array, const char* name, ssize_t n, ssize_t channels, ssize_t h, ssize_t w,
                 bool last) {
  check<float>(array, name, last ? std::vector<ssize_t>{n, h, w, channels} : std::vector<ssize_t>{n, channels, h, w});
  const auto count = static_cast<std::size_t>(channels);
  return {static_cast<const float*>(array.data()), count, last ? 1 : static_cast<std::size_t>(h * w), last ? count : 1};
}

py::tuple movenet_heads(const py::array& center, const py::array& regression, const py::array& heatmaps,
                        const py::array& offsets, const py::array& frame_from_input, const std::string& layout,
                        double stride, const std::string& order, bool logits, bool whole_cells, double min_score,
                        double fall_off, bool votes, const py::object& out) {
  const bool last = word<bool>(layout, "layout", {{"nchw", false}, {"nhwc", true}});
  check<float>(heatmaps, "heatmaps", {ANY, ANY, ANY, ANY});
  const ssize_t n = heatmaps.shape(0), k = heatmaps.shape(last ? 3 : 1);
  const ssize_t h = heatmaps.shape(last ? 1 : 2), w = heatmaps.shape(last ? 2 : 3);
  if (h < 1 || w < 1 || k < 1) {
    raise("ShapeError",
          "heatmaps must have at least one joint, row and column, got shape " + shape_text(shape_of(heatmaps)));
  }
  MovenetHeads heads;
  heads.heatmaps = head(heatmaps, "heatmaps", n, k, h, w, last);
  if (center.ndim() == 3) {
    check<float>(center, "center", {n, h, w});
    heads.center = {static_cast<const float*>(center.data()), 1, 0, 1};
  } else {
    heads.center = head(center, "center", n, 1, h, w, last);
  }
  heads.regression = head(regression, "regression", n, 2 * k, h, w, last);
  heads.offsets = head(offsets, "offsets", n, 2 * k, h, w, last);
  heads.n = static_cast<std::size_t>(n);
  heads.k = static_cast<std::size_t>(k);
  heads.h = static_cast<std::size_t>(h);
  heads.w = static_cast<std::size_t>(w);
  const double* matrix = matrices(frame_from_input, "frame_from_input", n);
  if (!(stride > 0) || !std::isfinite(stride))
    raise("ShapeError", "stride must be positive, got " + std::to_string(stride));
  if (!(fall_off >= LEAST_FALL_OFF && fall_off <= MOST_FALL_OFF))
    raise("ShapeError", "fall_off must be between 1e-6 and 1e6, got " + std::to_string(fall_off));
  MovenetOptions options;
  options.stride = stride;
  options.y_first = word<bool>(order, "order", {{"yx", true}, {"xy", false}});
  options.logits = logits;
  options.whole_cells = whole_cells;
  options.min_score = static_cast<float>(min_score);
  options.fall_off = static_cast<float>(fall_off);
  options.votes = votes;
  JointArrays joints = joint_arrays(out, n, k, {&center, &regression, &heatmaps, &offsets, &frame_from_input});
  {
    py::gil_scoped_release nobody_waits;
    decode_movenet_heads(heads, matrix, options, joints.view);
  }
  return joints.result();
}

constexpr const char* MOVENET_FOLLOW = R"(Whether MoveNet saw somebody, and where it looks next.

xy: (1, 17, 2) float32, frame pixels; scores: (1, 17) float32. frame_hw, input_hw: sizes in pixels. confidence: least
mean score. Returns None for nobody: a lower mean, one that is no number, or fewer than two joints of 0.2. Else boxes
(1, 4) float32 around the joints of at least 0.2, box_scores (1,) float32, frame_from_input (1, 2, 3) float64 of the
next square, and that square's (x, y, side), centre first. Where the torso is not seen, or the square would exceed the
frame or have no area, it is the one that just holds the frame. Raises ShapeError. Source: TensorFlow's MoveNet
tutorial (determine_crop_region).)";

py::object movenet_follow(const py::array& xy, const py::array& scores, std::pair<int, int> frame_hw,
                          std::pair<int, int> input_hw, double confidence) {
  constexpr auto JOINTS = static_cast<ssize_t>(MOVENET_JOINTS);
  check<float>(xy, "xy", {1, JOINTS, 2});
  check<float>(scores, "scores", {1, JOINTS});
  if (std::min({frame_hw.first, frame_hw.second, input_hw.first, input_hw.second}) < 1)
    raise("ShapeError", "frame_hw and input_hw must be at least one pixel");
  const MovenetPerson person = movenet_person(
      static_cast<const float*>(xy.data()), static_cast<const float*>(scores.data()), frame_hw.first, frame_hw.second);
  if (!(static_cast<double>(person.score) >= confidence) || person.seen < 2) return py::none();
  const double left = person.center_x - person.side / 2, top = person.center_y - person.side / 2;
  F32 boxes({1, 4}), box_scores({1});
  py::array_t<double> next({1, 2, 3});
  std::copy(std::begin(person.box), std::end(person.box), boxes.mutable_data());
  *box_scores.mutable_data() = person.score;
  const double matrix[6] = {person.side / input_hw.second, 0, left, 0, person.side / input_hw.first, top};
  std::copy(std::begin(matrix), std::end(matrix), next.mutable_data());
  return py::make_tuple(boxes, box_scores, next, py::make_tuple(person.center_x, person.center_y, person.side));
}

}  // namespace

void bind_movenet(py::module_& m) {
  m.def("decode_movenet_heads", &movenet_heads, py::arg("center").noconvert(), py::arg("regression").noconvert(),
        py::arg("heatmaps").noconvert(), py::arg("offsets").noconvert(), py::arg("frame_from_input").noconvert(),
        py::kw_only(), py::arg("layout") = "nchw", py::arg("stride") = 4.0, py::arg("order") = "yx",
        py::arg("logits") = true, py::arg("whole_cells") = false, py::arg("min_score") = 0.0, py::arg("fall_off") = 1.8,
        py::arg("votes") = false, py::arg("out") = py::none(), DECODE_MOVENET_HEADS);
  m.def("movenet_follow", &movenet_follow, py::arg("xy").noconvert(), py::arg("scores").noconvert(), py::kw_only(),
        py::arg("frame_hw"), py::arg("input_hw"), py::arg("confidence"), MOVENET_FOLLOW);
}

}  // namespace edge_pose::bindings
