#include <algorithm>
#include <cmath>

#include "pixel.hpp"

namespace edge_pose::cuda {

Task letterbox_task(const Frame& frame, const Batch& out, int resized_h, int resized_w, int top, int left, int fill,
                    const Color& color) {
  Task task{frame, out, color, fill, top, left, resized_h, resized_w, true, {}};
  const double step_x = static_cast<double>(frame.width) / resized_w;
  const double step_y = static_cast<double>(frame.height) / resized_h;
  task.look[0] = {{step_x, 0.0, 0.5 * step_x - 0.5}, {0.0, step_y, 0.5 * step_y - 0.5}, false};
  return task;
}

Task warp_task(const Frame& frame, const double* frame_from_input, const Batch& out, double pixel_center, int fill,
               const Color& color) {
  constexpr double STRAIGHT = 1e-4;  // as in warp.cpp: a shear that small is the rounding of somebody's sine
  Task task{frame, out, color, fill, 0, 0, out.h, out.w, false, {}};
  for (int n = 0; n < out.n; ++n) {
    const double* m = frame_from_input + 6 * std::ptrdiff_t{n};
    Look& look = task.look[n];
    const double pc = pixel_center;
    look = {{m[0], m[1], m[2] + (m[0] + m[1]) * pc - pc},
            {m[3], m[4], m[5] + (m[3] + m[4]) * pc - pc},
            std::any_of(m, m + 6, [](double v) { return !(std::abs(v) <= 0x1p40); })};
    if (std::abs(look.across[1]) * out.h < STRAIGHT && std::abs(look.down[0]) * out.w < STRAIGHT) {
      look.across[1] = look.down[0] = 0.0;
    }
  }
  return task;
}

}  // namespace edge_pose::cuda
