// What every binding needs: checked views of NumPy arrays, errors of our own tree, arrays that own their memory.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace edge_pose::bindings {

namespace py = pybind11;
using py::ssize_t;

constexpr ssize_t ANY = -1;  // a dimension that may have any size

// Raises edge_pose.errors.<name>(message).
[[noreturn]] inline void raise(const char* name, const std::string& message) {
  py::object type = py::module_::import("edge_pose.errors").attr(name);
  PyErr_SetString(type.ptr(), message.c_str());
  throw py::error_already_set();
}

inline std::string shape_text(const std::vector<ssize_t>& shape) {
  std::ostringstream text;
  text << "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i) text << ", ";
    if (shape[i] == ANY)
      text << "any";
    else
      text << shape[i];
  }
  text << (shape.size() == 1 ? ",)" : ")");
  return text.str();
}

inline std::vector<ssize_t> shape_of(const py::array& a) { return {a.shape(), a.shape() + a.ndim()}; }

// Refuses an array that is not of dtype T, of this shape (ANY matches all) and C-contiguous; copies nothing.
template <typename T>
void check(const py::array& a, const char* name, const std::vector<ssize_t>& shape) {
  bool fits = py::isinstance<py::array_t<T>>(a) && static_cast<std::size_t>(a.ndim()) == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = shape[i] == ANY || a.shape(static_cast<ssize_t>(i)) == shape[i];
  if (!fits) {
    raise("ShapeError", std::string(name) + " must be " + py::str(py::dtype::of<T>()).cast<std::string>() +
                            " of shape " + shape_text(shape) + ", got " + py::str(a.dtype()).cast<std::string>() +
                            " of shape " + shape_text(shape_of(a)));
  }
  if (!(a.flags() & py::array::c_style)) {
    raise("ShapeError", std::string(name) + " must be C-contiguous; pass numpy.ascontiguousarray(" + name + ")");
  }
  if (!(a.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) {
    raise("ShapeError", std::string(name) + " lies at an address that does not fit its type; pass " + name + ".copy()");
  }
}

// Whether two arrays, of any strides, touch a byte in common or lie between each other's bytes.
inline bool share_memory(const py::array& a, const py::array& b) {
  const auto ends = [](const py::array& array) {
    const char* begin = static_cast<const char*>(array.data());
    const char* end = begin + array.itemsize();
    for (ssize_t i = 0; i < array.ndim(); ++i) {
      const ssize_t reach = (array.shape(i) - 1) * array.strides(i);
      (reach < 0 ? begin : end) += reach;
    }
    return std::make_pair(begin, end);
  };
  if (a.size() == 0 || b.size() == 0) return false;
  const auto [a_begin, a_end] = ends(a);
  const auto [b_begin, b_end] = ends(b);
  return std::less<>()(a_begin, b_end) && std::less<>()(b_begin, a_end);
}

// The array given as out=, checked and writeable, or a fresh one where none was given.
template <typename T>
py::array_t<T> output(const py::object& out, const char* name, const std::vector<ssize_t>& shape) {
  if (out.is_none()) return py::array_t<T>(shape);
  if (!py::isinstance<py::array>(out)) raise("ShapeError", std::string(name) + " must be a numpy array or None");
  auto array = py::reinterpret_borrow<py::array>(out);
  check<T>(array, name, shape);
  if (!array.writeable()) raise("ShapeError", std::string(name) + " must be writeable");
  return py::reinterpret_borrow<py::array_t<T>>(array);
}

// Hands a vector's memory to NumPy without a copy: shape[0] x ... elements, freed with the array.
template <typename T>
py::array_t<T> owned(std::vector<T>&& values, const std::vector<ssize_t>& shape) {
  auto holder = std::make_unique<std::vector<T>>(std::move(values));
  T* data = holder->data();
  py::capsule owner(holder.get(), [](void* p) { delete static_cast<std::vector<T>*>(p); });
  holder.release();
  return py::array_t<T>(shape, data, owner);
}

void bind_warp(py::module_& m);        // warp.cpp: letterbox, affine crops
void bind_keypoints(py::module_& m);   // keypoints.cpp: heatmap, SimCC, regression, MoveNet
void bind_detections(py::module_& m);  // detections.cpp: YOLO heads, box NMS
void bind_pose_nms(py::module_& m);    // pose_nms.cpp: OKS, soft OKS and parametric pose NMS

}  // namespace edge_pose::bindings
