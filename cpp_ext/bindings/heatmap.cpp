#include "edge_pose/heatmap.hpp"

#include <cmath>

#include "edge_pose/gaussian.hpp"
#include "keypoints.hpp"

namespace edge_pose::bindings {
namespace {

constexpr const char* DECODE_HEATMAP = R"(Peak of every joint map, refined to a part of a cell, in frame pixels.

maps: (N, K, H, W) float32 or float16; N may be 0; never written to. frame_from_map: (N, 2, 3) float64, map cells ->
frame. refine: "none", "quarter" (HRNet), "none-mmpose", "quarter-mmpose", "dark", "dark-udp" (MMPose) or
"dark-udp-rtmlib"; blur: odd kernel size of DARK's Gaussian, 1..127, in cells. out: (xy, scores) to write to.
Returns xy (N, K, 2) float32, x first, and scores (N, K) float32, the raw maxima. Ties go to the first cell in
row-major order. Where no cell is positive the joint is not found: its score is not positive and its cell (0, 0) for
"none" and "quarter", (-1, -1) for the others. A refinement without a finite answer leaves the cell's centre.
Raises ShapeError. Sources: Sun et al. 2019; Zhang et al. 2020 (DARK); Huang et al. 2020 (UDP).)";

constexpr const char* DECODE_UDP_OFFSET =
    R"(Joints of UDP's combined maps: the blurred heat's peak plus the offset found there.

maps: (N, 3K, H, W) float32: heat, x offset and y offset of each joint. frame_from_map: (N, 2, 3) float64.
blur: the heat is blurred with a Gaussian of 2 * blur + 1 cells; 1..63. radius: offsets are in units of radius * H
cells. out: (xy, scores) to write to. Returns xy (N, K, 2) and scores (N, K) float32, maxima of the blurred heat; a
joint whose score is not positive is not found and lies at cell (-1, -1). Raises ShapeError. Source: Huang et al.
2020.)";

template <typename T>
MapsOf<T> view_of(const py::array& maps) {
  const auto size = [&](ssize_t axis) { return static_cast<std::size_t>(maps.shape(axis)); };
  if (size(2) < 1 || size(3) < 1 || size(2) > 1 << 15 || size(3) > 1 << 15) {
    raise("ShapeError", "maps must have 1 to 32768 rows and columns, got shape " + shape_text(shape_of(maps)));
  }
  return {static_cast<const T*>(maps.data()), size(0), size(1), size(2), size(3)};
}

MapsView maps_view(const py::array& maps) {
  check<float>(maps, "maps", {ANY, ANY, ANY, ANY});
  return view_of<float>(maps);
}

bool is_half(const py::array& maps) { return maps.dtype().kind() == 'f' && maps.dtype().itemsize() == 2; }

HalfMapsView half_maps_view(const py::array& maps) {
  if (maps.ndim() != 4 || !(maps.flags() & py::array::c_style) || maps.dtype().byteorder() == '>') {
    raise("ShapeError", "maps must be float16 of shape (any, any, any, any) and C-contiguous, got shape " +
                            shape_text(shape_of(maps)) + "; pass numpy.ascontiguousarray(maps)");
  }
  return view_of<std::uint16_t>(maps);
}

py::tuple heatmap(const py::array& maps, const py::array& frame_from_map, const std::string& refine, int blur,
                  const py::object& out) {
  const bool half = is_half(maps);
  const MapsView view = half ? MapsView{} : maps_view(maps);
  const HalfMapsView half_view = half ? half_maps_view(maps) : HalfMapsView{};
  const double* matrix = matrices(frame_from_map, "frame_from_map", maps.shape(0));
  const auto refinement = word<Refine>(refine, "refine",
                                       {{"none", Refine::NONE},
                                        {"quarter", Refine::QUARTER},
                                        {"none-mmpose", Refine::NONE_MMPOSE},
                                        {"quarter-mmpose", Refine::QUARTER_MMPOSE},
                                        {"dark", Refine::DARK},
                                        {"dark-udp", Refine::DARK_UDP},
                                        {"dark-udp-rtmlib", Refine::DARK_UDP_RTMLIB}});
  if (blur < 1 || blur > MAX_BLUR || blur % 2 == 0) {
    raise("ShapeError", "blur must be odd and 1 to " + std::to_string(MAX_BLUR) + ", got " + std::to_string(blur));
  }
  JointArrays joints = joint_arrays(out, maps.shape(0), maps.shape(1), {&maps, &frame_from_map});
  {
    py::gil_scoped_release nobody_waits;
    if (half)
      decode_heatmap(half_view, matrix, refinement, blur, joints.view);
    else
      decode_heatmap(view, matrix, refinement, blur, joints.view);
  }
  return joints.result();
}

py::tuple udp_offset(const py::array& maps, const py::array& frame_from_map, int blur, double radius,
                     const py::object& out) {
  const MapsView view = maps_view(maps);
  if (view.k % 3 != 0) {
    raise("ShapeError", "maps must have 3 channels a joint (heat, x, y), got shape " + shape_text(shape_of(maps)));
  }
  const double* matrix = matrices(frame_from_map, "frame_from_map", maps.shape(0));
  if (blur < 1 || blur > MAX_BLUR / 2) {
    raise("ShapeError", "blur must be 1 to " + std::to_string(MAX_BLUR / 2) + ", got " + std::to_string(blur));
  }
  if (!std::isfinite(radius)) raise("ShapeError", "radius must be finite, got " + std::to_string(radius));
  JointArrays joints = joint_arrays(out, maps.shape(0), maps.shape(1) / 3, {&maps, &frame_from_map});
  {
    py::gil_scoped_release nobody_waits;
    decode_udp_offset(view, matrix, blur, radius, joints.view);
  }
  return joints.result();
}

}  // namespace

void bind_heatmap(py::module_& m) {
  m.def("decode_heatmap", &heatmap, py::arg("maps").noconvert(), py::arg("frame_from_map").noconvert(), py::kw_only(),
        py::arg("refine") = "quarter", py::arg("blur") = 11, py::arg("out") = py::none(), DECODE_HEATMAP);
  m.def("decode_udp_offset", &udp_offset, py::arg("maps").noconvert(), py::arg("frame_from_map").noconvert(),
        py::kw_only(), py::arg("blur") = 11, py::arg("radius") = 0.0546875, py::arg("out") = py::none(),
        DECODE_UDP_OFFSET);
}

}  // namespace edge_pose::bindings
