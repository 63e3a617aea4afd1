#include "edge_pose/regression.hpp"

#include "keypoints.hpp"

namespace edge_pose::bindings {
namespace {

constexpr const char* DECODE_REGRESSION = R"(Joints that a network gives as coordinates, in frame pixels.

coords: (N, K, 2) float32, x and y as fractions of the input, or (N, K, 4) with both sigmas behind them; N may be 0.
sigma: (N, K, 2) float32 or None. frame_from_input: (N, 2, 3) float64, input px -> frame. input_hw: the input's
height and width in pixels. origin: "corner" (0..1, MMPose) or "center" (-0.5..0.5, the RLE authors'). out: (xy,
scores) to write to. Returns xy (N, K, 2) float32, x first, and scores (N, K) float32: mean(1 - sigma), or 1 where
there is no sigma. A joint whose coordinates are not finite lies at the input's centre with score 0. Raises
ShapeError. Source: Li et al. 2021 (RLE).)";

constexpr const char* DECODE_MOVENET = R"(MoveNet's exported rows (y, x, score), in frame pixels.

yxs: (N, K, 3) or (N, 1, K, 3) float32, y and x as fractions of the input; N may be 0. frame_from_input: (N, 2, 3)
float64, input px -> frame. input_hw: the input's height and width in pixels. out: (xy, scores) to write to.
Returns xy (N, K, 2) float32, x first, and scores (N, K) float32, put into [0, 1] (NaN: 0). A joint whose coordinates
are not finite lies at the input's centre with score 0. Raises ShapeError. Source: the MoveNet model card.)";

struct Size {
  double h, w;
};

Size input_size(const std::pair<double, double>& input_hw) {
  if (!(input_hw.first > 0 && input_hw.second > 0)) {
    raise("ShapeError", "input_hw must be two positive sizes, got (" + std::to_string(input_hw.first) + ", " +
                            std::to_string(input_hw.second) + ")");
  }
  return {input_hw.first, input_hw.second};
}

py::tuple regression(const py::array& coords, const py::object& sigma, const py::array& frame_from_input,
                     std::pair<double, double> input_hw, const std::string& origin, const py::object& out) {
  const ssize_t channels = coords.ndim() == 3 && coords.shape(2) == 4 ? 4 : 2;
  check<float>(coords, "coords", {ANY, ANY, channels});
  const ssize_t n = coords.shape(0), k = coords.shape(1);
  py::array sigmas = coords;
  CoordsView view{static_cast<const float*>(coords.data()), nullptr, static_cast<std::size_t>(n),
                  static_cast<std::size_t>(k), static_cast<std::size_t>(channels)};
  if (!sigma.is_none()) {
    if (channels == 4) raise("ShapeError", "sigma must be None where coords has it in channels 2 and 3");
    if (!py::isinstance<py::array>(sigma)) raise("ShapeError", "sigma must be a numpy array or None");
    sigmas = py::reinterpret_borrow<py::array>(sigma);
    check<float>(sigmas, "sigma", {n, k, 2});
    view.sigma = static_cast<const float*>(sigmas.data());
  }
  const double* matrix = matrices(frame_from_input, "frame_from_input", n);
  const Size size = input_size(input_hw);
  const auto from = word<Origin>(origin, "origin", {{"corner", Origin::CORNER}, {"center", Origin::CENTER}});
  JointArrays joints = joint_arrays(out, n, k, {&coords, &sigmas, &frame_from_input});
  {
    py::gil_scoped_release nobody_waits;
    decode_regression(view, matrix, size.h, size.w, from, joints.view);
  }
  return joints.result();
}

py::tuple movenet(const py::array& yxs, const py::array& frame_from_input, std::pair<double, double> input_hw,
                  const py::object& out) {
  if (yxs.ndim() == 4)
    check<float>(yxs, "yxs", {ANY, 1, ANY, 3});
  else
    check<float>(yxs, "yxs", {ANY, ANY, 3});
  const ssize_t n = yxs.shape(0), k = yxs.shape(yxs.ndim() - 2);
  const double* matrix = matrices(frame_from_input, "frame_from_input", n);
  const Size size = input_size(input_hw);
  JointArrays joints = joint_arrays(out, n, k, {&yxs, &frame_from_input});
  const auto* data = static_cast<const float*>(yxs.data());
  {
    py::gil_scoped_release nobody_waits;
    decode_movenet(data, static_cast<std::size_t>(n), static_cast<std::size_t>(k), matrix, size.h, size.w, joints.view);
  }
  return joints.result();
}

}  // namespace

void bind_regression(py::module_& m) {
  m.def("decode_regression", &regression, py::arg("coords").noconvert(), py::arg("sigma"),
        py::arg("frame_from_input").noconvert(), py::kw_only(), py::arg("input_hw"), py::arg("origin") = "corner",
        py::arg("out") = py::none(), DECODE_REGRESSION);
  m.def("decode_movenet", &movenet, py::arg("yxs").noconvert(), py::arg("frame_from_input").noconvert(), py::kw_only(),
        py::arg("input_hw"), py::arg("out") = py::none(), DECODE_MOVENET);
}

}  // namespace edge_pose::bindings
