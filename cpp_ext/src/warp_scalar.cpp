// The kernels for any machine, and the choice among all.
#include "warp_scalar.hpp"

namespace edge_pose::warp {

const Kernels scalar_kernels{
    Simd::scalar,
    false,
    [](const ResizeRow& row) { resize_row_scalar(row, 0, row.columns->count); },
    [](const ScatterRun& run) { scatter_run_scalar(run, 0, run.count); },
    [](const std::uint8_t* y, const std::uint8_t* uv, std::uint8_t* bgr, int pairs) {
      bgr_from_nv12_scalar(y, uv, bgr, 0, pairs);
    },
    [](const std::uint8_t* yuyv, std::uint8_t* bgr, int pairs) { bgr_from_yuyv_scalar(yuyv, bgr, 0, pairs); },
};

const Kernels& kernels() noexcept {
  switch (simd_level()) {
#if defined(__x86_64__)
    case Simd::avx512:
      return avx512_kernels;
    case Simd::avx2:
      return avx2_kernels;
#elif defined(__aarch64__)
    case Simd::neon:
      return neon_kernels;
#endif
    default:
      return scalar_kernels;
  }
}

}  // namespace edge_pose::warp
