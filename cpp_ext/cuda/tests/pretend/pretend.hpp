// What a test may ask of the pretended device, and order from it.
//
// Environment: PRETEND_CUDA_FAIL="cudaMalloc:2,..." lets calls fail, PRETEND_CUDA_BYTES is how much memory it has,
// PRETEND_CUDA_INTEGRATED=1 makes it one that shares the host's, PRETEND_CUDA_EAGER=1 one that waits for nobody.
#pragma once

#include <cstddef>

namespace pretend {

struct Left {
  std::size_t blocks, host_blocks, streams;
};
// What has not been given back.
Left left();

}  // namespace pretend
