#include "common.hpp"

namespace edge_pose::bindings {

void bind_warp(py::module_& m) { (void)m; }

}  // namespace edge_pose::bindings
