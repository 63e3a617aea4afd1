// What the bindings of the keypoint decoders share: matrices, results, and words for options.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common.hpp"
#include "edge_pose/keypoints.hpp"

namespace edge_pose::bindings {

using F32 = py::array_t<float>;

// The results of one call, fresh or the caller's, and where the decoder writes them.
struct JointArrays {
  F32 xy, scores;
  Joints view;
  py::tuple result() const { return py::make_tuple(xy, scores); }
};

// out: None or (xy, scores), of shapes (n, k, 2) and (n, k); refused where it shares memory with an input.
inline JointArrays joint_arrays(const py::object& out, ssize_t n, ssize_t k,
                                std::initializer_list<const py::array*> inputs) {
  py::object xy = py::none(), scores = py::none();
  const bool given = !out.is_none();
  if (given) {
    if (!py::isinstance<py::tuple>(out) || py::len(out) != 2)
      raise("ShapeError", "out must be a tuple (xy, scores) or None");
    xy = out[py::int_(0)];
    scores = out[py::int_(1)];
  }
  JointArrays arrays{output<float>(xy, "out[0]", {n, k, 2}), output<float>(scores, "out[1]", {n, k}), {}};
  if (given) {
    bool shared = share_memory(arrays.xy, arrays.scores);
    for (const py::array* input : inputs)
      shared = shared || share_memory(arrays.xy, *input) || share_memory(arrays.scores, *input);
    if (shared) raise("ShapeError", "out must not share memory with an input or with itself; pass arrays of its own");
  }
  arrays.view = {arrays.xy.mutable_data(), arrays.scores.mutable_data()};
  return arrays;
}

// float64 (n, 2, 3), one matrix a row.
inline const double* matrices(const py::array& array, const char* name, ssize_t n) {
  check<double>(array, name, {n, 2, 3});
  return static_cast<const double*>(array.data());
}

// The value of one of a few words; names them all where it is none of them.
template <typename E>
E word(const std::string& text, const char* name, std::initializer_list<std::pair<const char*, E>> words) {
  for (const auto& [known, value] : words) {
    if (text == known) return value;
  }
  std::string message = std::string(name) + " must be one of ";
  for (const auto& entry : words) message += std::string(message.back() == ' ' ? "\"" : ", \"") + entry.first + "\"";
  raise("ShapeError", message + "; got \"" + text + "\"");
}

void bind_heatmap(py::module_& m);
void bind_simcc(py::module_& m);
void bind_regression(py::module_& m);
void bind_movenet(py::module_& m);

}  // namespace edge_pose::bindings
