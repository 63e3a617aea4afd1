#if defined(__x86_64__)
#include "warp_scalar.hpp"
namespace edge_pose::warp {
extern const Kernels avx2_kernels{Simd::avx2, false, scalar_kernels.resize_row, scalar_kernels.scatter_run, scalar_kernels.bgr_from_nv12, scalar_kernels.bgr_from_yuyv};
}
#endif
