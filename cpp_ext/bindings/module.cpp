// The module `edge_pose._core`; one bind_* function a topic, each in a file of its own.
#include "common.hpp"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The compiled core of edge_pose; reached through edge_pose.kernels only.";
  edge_pose::bindings::bind_warp(m);
  edge_pose::bindings::bind_keypoints(m);
  edge_pose::bindings::bind_detections(m);
  edge_pose::bindings::bind_pose_nms(m);
}
