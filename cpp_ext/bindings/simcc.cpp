#include "edge_pose/simcc.hpp"

#include <cmath>

#include "edge_pose/gaussian.hpp"
#include "keypoints.hpp"

namespace edge_pose::bindings {
namespace {

constexpr const char* DECODE_SIMCC = R"(Joints of SimCC / SimDR vectors, one per axis, in frame pixels.

x: (N, K, Wx), y: (N, K, Wy) float32; N may be 0; never written to. frame_from_input: (N, 2, 3) float64, input px ->
frame. split_ratio: bins per input pixel. score: "min" (MMPose), "mean" (rtmlib) or "max" (SimDR) of the two axes'
peaks. softmax: scores are peaks of softmax(gain * vector), gain = (x's, y's). dark_blur: (x's, y's) odd kernel
sizes, 1..127, of DARK's refinement of a bin, 0 for none. out: (xy, scores) to write to.
Returns xy (N, K, 2) float32, x first, and scores (N, K) float32. Ties go to the first bin. A joint whose score is not
positive is not found: bin (-1, -1). Raises ShapeError. Sources: Li et al. 2022 (SimCC); Zhang et al. 2020 (DARK).)";

const float* vectors(const py::array& array, const char* name, ssize_t n, ssize_t k) {
  check<float>(array, name, {n, k, ANY});
  if (array.shape(2) < 1 || array.shape(2) > 1 << 24) {
    raise("ShapeError", std::string(name) + " must have 1 to 2^24 bins, got shape " + shape_text(shape_of(array)));
  }
  return static_cast<const float*>(array.data());
}

py::tuple simcc(const py::array& x, const py::array& y, const py::array& frame_from_input, double split_ratio,
                const std::string& score, bool softmax, std::pair<double, double> gain, std::pair<int, int> dark_blur,
                const py::object& out) {
  const float* data_x = vectors(x, "x", ANY, ANY);
  const ssize_t n = x.shape(0), k = x.shape(1);
  const float* data_y = vectors(y, "y", n, k);
  const double* matrix = matrices(frame_from_input, "frame_from_input", n);
  if (!(split_ratio > 0) || !std::isfinite(split_ratio)) {
    raise("ShapeError", "split_ratio must be positive, got " + std::to_string(split_ratio));
  }
  if (!(gain.first > 0 && gain.second > 0)) raise("ShapeError", "gain must be two positive numbers");
  for (const int blur : {dark_blur.first, dark_blur.second}) {
    if (blur != 0 && (blur < 1 || blur > MAX_BLUR || blur % 2 == 0)) {
      raise("ShapeError",
            "dark_blur must be 0, or odd and 1 to " + std::to_string(MAX_BLUR) + ", got " + std::to_string(blur));
    }
  }
  SimccOptions options;
  options.split_ratio = split_ratio;
  options.score = word<SimccScore>(score, "score",
                                   {{"min", SimccScore::MIN}, {"mean", SimccScore::MEAN}, {"max", SimccScore::MAX}});
  options.softmax = softmax;
  options.gain_x = gain.first;
  options.gain_y = gain.second;
  options.blur_x = dark_blur.first;
  options.blur_y = dark_blur.second;
  JointArrays joints = joint_arrays(out, n, k, {&x, &y, &frame_from_input});
  const auto size = [](ssize_t value) { return static_cast<std::size_t>(value); };
  const VectorsView view{data_x, data_y, size(n), size(k), size(x.shape(2)), size(y.shape(2))};
  {
    py::gil_scoped_release nobody_waits;
    decode_simcc(view, matrix, options, joints.view);
  }
  return joints.result();
}

}  // namespace

void bind_simcc(py::module_& m) {
  m.def("decode_simcc", &simcc, py::arg("x").noconvert(), py::arg("y").noconvert(),
        py::arg("frame_from_input").noconvert(), py::kw_only(), py::arg("split_ratio") = 2.0, py::arg("score") = "min",
        py::arg("softmax") = false, py::arg("gain") = std::make_pair(1.0, 1.0),
        py::arg("dark_blur") = std::make_pair(0, 0), py::arg("out") = py::none(), DECODE_SIMCC);
}

}  // namespace edge_pose::bindings
