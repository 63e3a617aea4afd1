// A thread for each output pixel. Not run on a GPU by the authors; the arithmetic is pixel.hpp, which the tests run.
#include "launch.hpp"

namespace edge_pose::cuda {
namespace {

constexpr int ACROSS = 32, DOWN = 8;

__global__ void __launch_bounds__(ACROSS* DOWN) write_pixels(const Task task) {
  const int x = static_cast<int>(blockIdx.x) * ACROSS + static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(blockIdx.y) * DOWN + static_cast<int>(threadIdx.y);
  if (x < task.out.w && y < task.out.h) write_pixel(task, static_cast<int>(blockIdx.z), y, x);
}

unsigned blocks(int count, int size) { return static_cast<unsigned>((count + size - 1) / size); }

}  // namespace

static_assert(sizeof(Task) <= 4096, "a kernel's arguments");

cudaError_t launch(const Task& task, cudaStream_t stream) {
  if (task.out.n == 0 || task.out.h == 0 || task.out.w == 0) return cudaSuccess;  // no grid may be empty
  const dim3 grid(blocks(task.out.w, ACROSS), blocks(task.out.h, DOWN), static_cast<unsigned>(task.out.n));
  write_pixels<<<grid, dim3(ACROSS, DOWN), 0, stream>>>(task);
  return cudaGetLastError();
}

}  // namespace edge_pose::cuda
