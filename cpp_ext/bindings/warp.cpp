#include "edge_pose/warp.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common.hpp"
#include "edge_pose/parallel.hpp"
#include "edge_pose/simd.hpp"

namespace edge_pose::bindings {
namespace {

constexpr ssize_t MAX_SIDE = 1 << 24;

std::string got(const py::array& a) {
  return ", got " + py::str(a.dtype()).cast<std::string>() + " of shape " + shape_text(shape_of(a));
}

// The trailing dimensions must be packed; rows may lie anywhere.
void check_packed(const py::array& image) {
  ssize_t expected = 1;
  for (ssize_t i = image.ndim() - 1; i > 0; --i) {
    if (image.shape(i) > 1 && image.strides(i) != expected) {
      raise("ShapeError",
            "image must have packed pixels (any stride between rows, none within them); pass "
            "numpy.ascontiguousarray(image)");
    }
    expected *= image.shape(i);
  }
}

Frame frame_of(const py::array& image, const std::string& format) {
  if (!py::isinstance<py::array_t<std::uint8_t>>(image)) raise("ImageError", "image must be uint8" + got(image));
  const auto side = [](ssize_t n) { return n >= 1 && n <= MAX_SIDE; };
  const auto* data = static_cast<const std::uint8_t*>(image.data());
  if (format == "bgr") {
    if (image.ndim() != 3 || image.shape(2) != 3 || !side(image.shape(0)) || !side(image.shape(1))) {
      raise("ImageError", "image must be uint8 of shape (H, W, 3) with H, W >= 1" + got(image));
    }
    check_packed(image);
    return {data, image.strides(0), static_cast<int>(image.shape(0)), static_cast<int>(image.shape(1))};
  }
  if (format == "nv12") {
    if (image.ndim() != 2 || image.shape(0) % 3 || image.shape(1) % 2 || !side(image.shape(0)) ||
        !side(image.shape(1))) {
      raise("ImageError", "image must be uint8 of shape (H * 3 / 2, W) with even H, W >= 2 for nv12" + got(image));
    }
    check_packed(image);
    const auto h = static_cast<int>(image.shape(0) / 3 * 2), w = static_cast<int>(image.shape(1));
    return {data, image.strides(0), h, w, PixelFormat::nv12, data + image.strides(0) * h, image.strides(0)};
  }
  if (format == "yuyv") {
    if (image.ndim() != 3 || image.shape(2) != 2 || image.shape(1) % 2 || !side(image.shape(0)) ||
        !side(image.shape(1))) {
      raise("ImageError", "image must be uint8 of shape (H, W, 2) with even W >= 2 for yuyv" + got(image));
    }
    check_packed(image);
    return {data, image.strides(0), static_cast<int>(image.shape(0)), static_cast<int>(image.shape(1)),
            PixelFormat::yuyv};
  }
  raise("ShapeError", "pixel_format must be 'bgr', 'nv12' or 'yuyv', got '" + format + "'");
}

Element element_of(const py::array& out) {
  if (py::isinstance<py::array_t<float>>(out)) return Element::f32;
  if (py::isinstance<py::array_t<std::uint8_t>>(out)) return Element::u8;
  if (out.dtype().kind() == 'f' && out.itemsize() == 2 && out.dtype().byteorder() != '>') return Element::f16;
  raise("ShapeError", "out must be float32, float16 or uint8" + got(out));
}

// n < 0: any; a picture of three dimensions counts as one.
Batch batch_of(py::array& out, const py::array& image, bool planar, ssize_t n) {
  const Element element = element_of(out);
  const ssize_t lead = out.ndim() - 3;
  const ssize_t channels = lead < 0 || lead > 1 ? 0 : out.shape(planar ? lead : lead + 2);
  const bool fits = channels == 3 && (lead == 1 ? n < 0 || out.shape(0) == n : n == 1);
  if (!fits) {
    const std::string count = n < 0 ? "N" : std::to_string(n);
    raise("ShapeError", "out must be of shape (" + count + (planar ? ", 3, h, w)" : ", h, w, 3)") +
                            (n == 1 ? planar ? " or (3, h, w)" : " or (h, w, 3)" : "") +
                            " with planar=" + (planar ? "True" : "False") + got(out));
  }
  if (!(out.flags() & py::array::c_style)) raise("ShapeError", "out must be C-contiguous; pass numpy.empty(...)");
  if (!out.writeable()) raise("ShapeError", "out must be writeable; pass out.copy()");
  const ssize_t h = out.shape(lead + (planar ? 1 : 0)), w = out.shape(lead + (planar ? 2 : 1));
  if (h > MAX_SIDE || w > MAX_SIDE) raise("ShapeError", "out must have sides of at most 2^24" + got(out));
  if (share_memory(out, image)) raise("ShapeError", "out must not share memory with image; pass image.copy()");
  return {out.mutable_data(), element, planar, static_cast<int>(lead == 1 ? out.shape(0) : 1), static_cast<int>(h),
          static_cast<int>(w)};
}

using Three = std::array<float, 3>;

Color color_of(const Three& scale, const Three& bias, bool swap_rb, Element element) {
  Color color{{}, {}, swap_rb};
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(scale[c]) || !std::isfinite(bias[c])) raise("ShapeError", "scale and bias must be finite");
    if (element == Element::u8 && (scale[c] != 1.0F || bias[c] != 0.0F)) {
      raise("ShapeError", "scale must be 1 and bias 0 for an out of uint8; pass a float32 or float16 out to normalise");
    }
    color.scale[c] = scale[c];
    color.bias[c] = bias[c];
  }
  return color;
}

void check_numbers(int fill, int threads) {
  if (fill < 0 || fill > 255) raise("ShapeError", "fill must be a grey level in 0..255, got " + std::to_string(fill));
  if (threads < 0) raise("ShapeError", "threads must be >= 0 (0: as set_threads says), got " + std::to_string(threads));
}

void py_letterbox(const py::array& image, py::array out, std::array<int, 2> resized_hw, std::array<int, 2> offset_tl,
                  const Three& scale, const Three& bias, int fill, bool swap_rb, bool planar,
                  const std::string& pixel_format, int threads) {
  const Frame frame = frame_of(image, pixel_format);
  const Batch batch = batch_of(out, image, planar, 1);
  const Color color = color_of(scale, bias, swap_rb, batch.element);
  check_numbers(fill, threads);
  const auto [rh, rw] = resized_hw;
  const auto [top, left] = offset_tl;
  if (rh < 1 || rw < 1 || top < 0 || left < 0 || rh > batch.h - top || rw > batch.w - left) {
    std::ostringstream text;
    text << "resized_hw at offset_tl must be at least one pixel inside out (" << batch.h << ", " << batch.w
         << "), got (" << rh << ", " << rw << ") at (" << top << ", " << left << ")";
    raise("ShapeError", text.str());
  }
  py::gil_scoped_release unlocked;
  letterbox(frame, batch, rh, rw, top, left, fill, color, threads);
}

void py_warp_affine(const py::array& image, const py::array& frame_from_input, py::array out, const Three& scale,
                    const Three& bias, double pixel_center, int fill, bool swap_rb, bool planar,
                    const std::string& pixel_format, int threads) {
  const Frame frame = frame_of(image, pixel_format);
  check<double>(frame_from_input, "frame_from_input", {ANY, 2, 3});
  const Batch batch = batch_of(out, image, planar, frame_from_input.shape(0));
  const Color color = color_of(scale, bias, swap_rb, batch.element);
  check_numbers(fill, threads);
  if (!(pixel_center >= 0.0 && pixel_center <= 1.0)) {
    raise("ShapeError",
          "pixel_center must be 0.0 (index coordinates) or 0.5 (continuous), got " + std::to_string(pixel_center));
  }
  const auto* matrices = static_cast<const double*>(frame_from_input.data());
  if (!std::all_of(matrices, matrices + frame_from_input.size(), [](double v) { return std::isfinite(v); })) {
    raise("ShapeError", "frame_from_input must be finite; leave out crops without area");
  }
  py::gil_scoped_release unlocked;
  warp_affine(frame, matrices, batch, pixel_center, fill, color, threads);
}

constexpr const char* LETTERBOX = R"(Resize a frame into a network input, normalise it and fill the margin, in one pass.

image: (H, W, 3) uint8 BGR, rows with any stride; with pixel_format="nv12" (H * 3 / 2, W), with "yuyv" (H, W, 2), both
BT.601 limited range. out: float32, float16 or uint8, planar (3, h, w) or (1, 3, h, w), or with planar=False (h, w, 3)
or (1, h, w, 3); it is written in place. resized_hw: the picture's size in out, offset_tl its top and left; the rest
becomes the grey level fill (0..255). Every value is pixel * scale[c] + bias[c], c in out's channel order (R, G, B where
swap_rb, else B, G, R); a uint8 out is rounded and takes scale 1 and bias 0 only. threads: 0 for what set_threads said.

Bilinear with half-pixel centres, clamped edges, no antialiasing: within one grey level of cv2.resize INTER_LINEAR.
Raises ImageError for what is no such frame, ShapeError for anything else.)";

constexpr const char* WARP_AFFINE = R"(Sample N affine crops of a frame into a batch and normalise them, in one pass.

image, scale, bias, swap_rb, pixel_format, threads: as in letterbox. frame_from_input: (N, 2, 3) float64, finite; N may
be 0. out: (N, 3, h, w), or with planar=False (N, h, w, 3); written in place. Output pixel (x, y) of row n samples the
frame at M[n] @ (x + pixel_center, y + pixel_center, 1) - pixel_center; beyond the frame lies the grey level fill,
blended at the border. pixel_center: 0.0 for index coordinates, 0.5 for continuous ones.

With pixel_center 0 within one grey level of cv2.warpAffine (WARP_INVERSE_MAP | INTER_LINEAR, BORDER_CONSTANT) of
OpenCV 5. Elements beyond +-2^40 count as looking past the frame. Raises ImageError, ShapeError as letterbox does.)";

}  // namespace

void bind_warp(py::module_& m) {
  using py::literals::operator""_a;
  m.def("letterbox", &py_letterbox, LETTERBOX, py::arg("image").noconvert(), py::arg("out").noconvert(), py::kw_only(),
        "resized_hw"_a, "offset_tl"_a, "scale"_a, "bias"_a, "fill"_a = 114, "swap_rb"_a = true, "planar"_a,
        "pixel_format"_a = "bgr", "threads"_a = 1);
  m.def("warp_affine", &py_warp_affine, WARP_AFFINE, py::arg("image").noconvert(),
        py::arg("frame_from_input").noconvert(), py::arg("out").noconvert(), py::kw_only(), "scale"_a, "bias"_a,
        "pixel_center"_a = 0.0, "fill"_a = 0, "swap_rb"_a = true, "planar"_a, "pixel_format"_a = "bgr",
        "threads"_a = 1);
  m.def("get_threads", &get_threads, "The number of threads that threads=0 means; 1 at first.");
  m.def(
      "set_threads",
      [](int threads) {
        if (threads < 1 || threads > MAX_THREADS) {
          raise("ShapeError",
                "threads must be in 1.." + std::to_string(MAX_THREADS) + ", got " + std::to_string(threads));
        }
        set_threads(threads);
      },
      "Set what threads=0 means, for the whole process (1..256).", "threads"_a);
  m.def(
      "simd_level", [] { return simd_name(simd_level()); },
      "The vector instructions in use: 'avx512', 'avx2', 'neon' or 'scalar'.");
  m.def(
      "set_simd_level",
      [](const std::string& name) {
        for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
          if (name == simd_name(level)) return set_simd_level(level);
        }
        return set_simd_level(simd_best()) && name == "auto";
      },
      "Choose among them, or 'auto', for the whole process; False where this machine cannot. Results do not change.",
      "level"_a);
}

}  // namespace edge_pose::bindings
