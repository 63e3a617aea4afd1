// One GPU as an engine needs it: memory on both sides, a stream, and the warps of the core. Linked with the static CUDA
// runtime, which looks for the driver when it is first called: a machine without one loads this all the same.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>

#include "edge_pose/warp.hpp"

namespace edge_pose::cuda {

// What a call of the CUDA runtime answered.
class Failure : public std::runtime_error {
 public:
  Failure(const char* call, cudaError_t code);
  cudaError_t code;
};

using Address = std::uintptr_t;

// Everything is queued on one stream of this object's own, in the order of the calls. For one thread at a time, any
// one.
class Device {
 public:
  explicit Device(int index);  // Failure where there is no such GPU, or no driver
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { close(); }

  void use() const;                                   // makes the GPU current in the calling thread
  bool shares_memory() const { return integrated_; }  // with the processor, as on a Jetson
  Address stream() const { return reinterpret_cast<Address>(stream_); }

  Address allocate(std::size_t size);  // aligned to 256; Failure where there is none left
  void release(Address address);       // what allocate returned
  // Copies; what is ours must be inside one block that allocate returned (std::out_of_range).
  void upload(Address target, const void* source, std::size_t size);
  void download(void* target, Address source, std::size_t size);
  void copy(Address target, Address source, std::size_t size);  // source: anybody's memory on the device

  // As edge_pose::letterbox and edge_pose::warp_affine: frame on the host, out.data a block of the device.
  void letterbox(const Frame& frame, const Batch& out, int resized_h, int resized_w, int top, int left, int fill,
                 const Color& color);
  void warp_affine(const Frame& frame, const double* frame_from_input, const Batch& out, double pixel_center, int fill,
                   const Color& color);

  void wait_for_others() const;  // until all streams of the GPU are done
  void synchronize() const;      // until ours is; Failure where something on it failed
  void close() noexcept;         // frees all there is; a second time does nothing

 private:
  void check_open() const;
  void check_block(Address address, std::size_t size) const;
  Frame uploaded(const Frame& frame);

  int index_;
  bool integrated_ = false;
  cudaStream_t stream_ = nullptr;
  std::map<Address, std::size_t> blocks_;
  Address picture_ = 0;  // the last frame, packed
  std::size_t picture_size_ = 0;
};

// Page-locked memory of the host, from which copies need no detour. On an integrated GPU it is the GPU's, too.
class HostMemory {
 public:
  HostMemory(const Device& device, std::size_t size, bool mapped);
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
  ~HostMemory();
  void* data() const { return data_; }
  Address on_device() const { return on_device_; }  // 0 unless mapped

 private:
  void* data_ = nullptr;
  Address on_device_ = 0;
};

}  // namespace edge_pose::cuda
