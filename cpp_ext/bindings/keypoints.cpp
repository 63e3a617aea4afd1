#include "common.hpp"

namespace edge_pose::bindings {

void bind_keypoints(py::module_& m) { (void)m; }

}  // namespace edge_pose::bindings
