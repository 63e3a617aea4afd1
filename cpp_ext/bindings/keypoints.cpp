#include "keypoints.hpp"

namespace edge_pose::bindings {

void bind_keypoints(py::module_& m) {
  bind_heatmap(m);
  bind_simcc(m);
  bind_regression(m);
  bind_movenet(m);
}

}  // namespace edge_pose::bindings
