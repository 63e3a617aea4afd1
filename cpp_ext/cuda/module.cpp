// The module `edge_pose._cuda`: check, view, release the GIL, call. Reached through edge_pose.backends.cuda_core only.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "../bindings/common.hpp"
#include "device.hpp"

namespace edge_pose::bindings {
namespace {

using cuda::Address;
using cuda::Device;
using cuda::HostMemory;
using Three = std::array<float, 3>;
using Two = std::array<int, 2>;

// What the CUDA runtime and our own checks say, in our own tree of errors.
template <typename Work>
auto told(Work&& work) {
  std::string said;
  try {
    py::gil_scoped_release unlocked;
    return work();
  } catch (const cuda::Failure& err) {
    said = err.what();
  } catch (const std::logic_error& err) {
    said = err.what();
  }
  raise("DeviceError", said);
}

std::size_t bytes_of(const py::array& array, const char* name) {
  if (!(array.flags() & py::array::c_style)) {
    raise("ShapeError", std::string(name) + " must be C-contiguous; pass numpy.ascontiguousarray(" + name + ")");
  }
  return static_cast<std::size_t>(array.nbytes());
}

void upload(Device& device, Address address, const py::array& array) {
  const std::size_t size = bytes_of(array, "array");
  told([&] { device.upload(address, array.data(), size); });
}

void download(Device& device, py::array array, Address address) {
  const std::size_t size = bytes_of(array, "array");
  if (!array.writeable()) raise("ShapeError", "array must be writeable; pass array.copy()");
  void* target = array.mutable_data();
  told([&] { device.download(target, address, size); });
}

// An array over page-locked memory that goes with its last view, and what the device calls the same bytes.
std::pair<py::array_t<std::uint8_t>, Address> host(Device& device, std::size_t size, bool mapped) {
  if (mapped && !device.shares_memory()) raise("DeviceError", "this GPU has a memory of its own");
  auto memory = told([&] { return std::make_unique<HostMemory>(device, size, mapped); });
  auto* data = static_cast<std::uint8_t*>(memory->data());
  const Address there = memory->on_device();
  py::capsule owner(memory.get(), [](void* p) { delete static_cast<HostMemory*>(p); });
  memory.release();
  return {py::array_t<std::uint8_t>({static_cast<ssize_t>(size)}, data, owner), there};
}

Frame frame_of(const py::array& image) {
  constexpr ssize_t MAX_SIDE = 1 << 24;
  const auto side = [](ssize_t n) { return n >= 1 && n <= MAX_SIDE; };
  if (!py::isinstance<py::array_t<std::uint8_t>>(image) || image.ndim() != 3 || image.shape(2) != 3 ||
      !side(image.shape(0)) || !side(image.shape(1))) {
    raise("ImageError", "image must be uint8 of shape (H, W, 3) with H, W >= 1, got " +
                            py::str(image.dtype()).cast<std::string>() + " of shape " + shape_text(shape_of(image)));
  }
  if (image.strides(2) != 1 || image.strides(1) != 3 || image.strides(0) < 3 * image.shape(1)) {
    raise("ShapeError",
          "image must have packed pixels and rows from top to bottom; pass numpy.ascontiguousarray(image)");
  }
  return {static_cast<const std::uint8_t*>(image.data()), image.strides(0), static_cast<int>(image.shape(0)),
          static_cast<int>(image.shape(1))};
}

// A batch on the device: its address, shape (N, h, w) and the element's NumPy name.
Batch batch_of(Address address, const std::array<int, 3>& nhw, const std::string& element, bool planar) {
  if (*std::min_element(nhw.begin(), nhw.end()) < 0) raise("ShapeError", "nhw must be 0 or more each");
  Batch out{reinterpret_cast<void*>(address), Element::f32, planar, nhw[0], nhw[1], nhw[2]};
  if (element == "float16") {
    out.element = Element::f16;
  } else if (element == "uint8") {
    out.element = Element::u8;
  } else if (element != "float32") {
    raise("ShapeError", "element must be float32, float16 or uint8, got " + element);
  }
  return out;
}

Color color_of(const Three& scale, const Three& bias, bool swap_rb) {
  Color color{{}, {}, swap_rb};
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(scale[c]) || !std::isfinite(bias[c])) raise("ShapeError", "scale and bias must be finite");
    color.scale[c] = scale[c];
    color.bias[c] = bias[c];
  }
  return color;
}

void check_fill(int fill) {
  if (fill < 0 || fill > 255) raise("ShapeError", "fill must be a grey level in 0..255, got " + std::to_string(fill));
}

void letterbox(Device& device, const py::array& image, Address address, const std::array<int, 3>& nhw,
               const std::string& element, const Two& resized_hw, const Two& offset_tl, const Three& scale,
               const Three& bias, int fill, bool swap_rb, bool planar) {
  const Frame frame = frame_of(image);
  const Batch out = batch_of(address, nhw, element, planar);
  const Color color = color_of(scale, bias, swap_rb);
  check_fill(fill);
  const auto [rh, rw] = resized_hw;
  const auto [top, left] = offset_tl;
  if (out.n != 1 || rh < 1 || rw < 1 || top < 0 || left < 0 || rh > out.h - top || rw > out.w - left) {
    raise("ShapeError", "resized_hw at offset_tl must be at least one pixel inside a batch of one picture");
  }
  told([&] { device.letterbox(frame, out, rh, rw, top, left, fill, color); });
}

void warp_affine(Device& device, const py::array& image, const py::array& frame_from_input, Address address,
                 const std::array<int, 3>& nhw, const std::string& element, const Three& scale, const Three& bias,
                 double pixel_center, int fill, bool swap_rb, bool planar) {
  const Frame frame = frame_of(image);
  const Batch out = batch_of(address, nhw, element, planar);
  check<double>(frame_from_input, "frame_from_input", {out.n, 2, 3});
  const Color color = color_of(scale, bias, swap_rb);
  check_fill(fill);
  const auto* matrices = static_cast<const double*>(frame_from_input.data());
  if (!std::all_of(matrices, matrices + frame_from_input.size(), [](double v) { return std::isfinite(v); }) ||
      !(pixel_center >= 0.0 && pixel_center <= 1.0)) {
    raise("ShapeError", "frame_from_input must be finite, and pixel_center within 0..1");
  }
  told([&] { device.warp_affine(frame, matrices, out, pixel_center, fill, color); });
}

}  // namespace

void bind_device(py::module_& m) {
  using py::literals::operator""_a;
  m.def(
      "versions",
      [] {
        int driver = 0, runtime = 0;
        (void)cudaDriverGetVersion(&driver);  // 0 where there is none
        (void)cudaRuntimeGetVersion(&runtime);
        return std::make_pair(runtime, driver);
      },
      "CUDA versions of this module and of the driver, 13000 for 13.0; the latter 0 without a driver.");
  py::class_<Device>(m, "Device", "One GPU: memory on both sides, a stream of its own, and the warps of the core.")
      .def(py::init([](int index) { return told([&] { return std::make_unique<Device>(index); }); }), "index"_a = 0)
      .def("use", [](Device& d) { told([&] { d.use(); }); })
      .def_property_readonly("shares_memory", &Device::shares_memory)
      .def_property_readonly("stream", &Device::stream)
      .def("allocate", [](Device& d, std::size_t size) { return told([&] { return d.allocate(size); }); })
      .def("release", [](Device& d, Address address) { told([&] { d.release(address); }); })
      .def("host", &host, "nbytes"_a, "mapped"_a = false)
      .def("upload", &upload, "address"_a, py::arg("array").noconvert())
      .def("download", &download, py::arg("array").noconvert(), "address"_a)
      .def("copy", [](Device& d, Address to, Address from, std::size_t size) { told([&] { d.copy(to, from, size); }); })
      .def("letterbox", &letterbox, py::arg("image").noconvert(), "address"_a, "nhw"_a, "element"_a, py::kw_only(),
           "resized_hw"_a, "offset_tl"_a, "scale"_a, "bias"_a, "fill"_a = 114, "swap_rb"_a = true, "planar"_a)
      .def("warp_affine", &warp_affine, py::arg("image").noconvert(), py::arg("frame_from_input").noconvert(),
           "address"_a, "nhw"_a, "element"_a, py::kw_only(), "scale"_a, "bias"_a, "pixel_center"_a = 0.0, "fill"_a = 0,
           "swap_rb"_a = true, "planar"_a)
      .def("wait_for_others", [](Device& d) { told([&] { d.wait_for_others(); }); })
      .def("synchronize", [](Device& d) { told([&] { d.synchronize(); }); })
      .def("close", [](Device& d) {
        py::gil_scoped_release unlocked;
        d.close();
      });
}

}  // namespace edge_pose::bindings

PYBIND11_MODULE(_cuda, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The CUDA half of the compiled core; built where a CUDA toolkit is found.";
  edge_pose::bindings::bind_device(m);
}
