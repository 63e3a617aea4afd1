// Starting a task on the device.
#pragma once

#include <cuda_runtime_api.h>

#include "pixel.hpp"

namespace edge_pose::cuda {

// Starts the task on a stream; its picture and its batch must stay where they are until the stream is done.
cudaError_t launch(const Task& task, cudaStream_t stream);

}  // namespace edge_pose::cuda
