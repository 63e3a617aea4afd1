#include "device.hpp"

#include <algorithm>
#include <string>

#include "launch.hpp"

namespace edge_pose::cuda {
namespace {

void check(const char* call, cudaError_t code) {
  if (code != cudaSuccess) throw Failure(call, code);
}

void* pointer(Address address) { return reinterpret_cast<void*>(address); }

std::size_t size_of(const Batch& out) {
  return warp::element_size(out.element) * 3 * static_cast<std::size_t>(out.n) * static_cast<std::size_t>(out.h) *
         static_cast<std::size_t>(out.w);
}

}  // namespace

Failure::Failure(const char* call, cudaError_t failed)
    : std::runtime_error(std::string(call) + ": " + cudaGetErrorString(failed) + " (error " +
                         std::to_string(static_cast<int>(failed)) + ")"),
      code(failed) {}

Device::Device(int index) : index_(index) {
  use();
  int integrated = 0;
  check("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&integrated, cudaDevAttrIntegrated, index));
  integrated_ = integrated != 0;
  // A stream that waits for none but itself: others' work on the default stream is not ours to stand in line for.
  check("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

void Device::use() const { check("cudaSetDevice", cudaSetDevice(index_)); }

void Device::check_open() const {
  if (stream_ == nullptr) throw std::logic_error("this device has been closed");
  use();
}

Address Device::allocate(std::size_t size) {
  check_open();
  void* memory = nullptr;
  check("cudaMalloc", cudaMalloc(&memory, std::max<std::size_t>(size, 1)));
  const auto address = reinterpret_cast<Address>(memory);
  blocks_[address] = size;
  return address;
}

void Device::release(Address address) {
  check_open();
  check_block(address, 0);
  check("cudaFree", cudaFree(pointer(address)));
  blocks_.erase(address);
}

void Device::check_block(Address address, std::size_t size) const {
  auto after = blocks_.upper_bound(address);
  if (after != blocks_.begin()) {
    const auto& [start, length] = *std::prev(after);
    if (size == 0 ? address == start : address - start <= length && size <= length - (address - start)) return;
  }
  throw std::out_of_range(std::to_string(size) + " bytes at " + std::to_string(address) +
                          " are in no block of this device");
}

void Device::upload(Address target, const void* source, std::size_t size) {
  check_open();
  if (size == 0) return;
  check_block(target, size);
  check("cudaMemcpyAsync", cudaMemcpyAsync(pointer(target), source, size, cudaMemcpyHostToDevice, stream_));
}

void Device::download(void* target, Address source, std::size_t size) {
  check_open();
  if (size == 0) return;
  check_block(source, size);
  check("cudaMemcpyAsync", cudaMemcpyAsync(target, pointer(source), size, cudaMemcpyDeviceToHost, stream_));
}

void Device::copy(Address target, Address source, std::size_t size) {
  check_open();
  if (size == 0) return;
  check_block(target, size);
  check("cudaMemcpyAsync", cudaMemcpyAsync(pointer(target), pointer(source), size, cudaMemcpyDeviceToDevice, stream_));
}

Frame Device::uploaded(const Frame& frame) {
  const bool nv12 = frame.format == PixelFormat::nv12;
  const auto width = static_cast<std::size_t>(frame.width), height = static_cast<std::size_t>(frame.height);
  const std::size_t row = width * (frame.format == PixelFormat::bgr ? 3 : nv12 ? 1 : 2);
  const std::size_t size = row * height + (nv12 ? row * (height / 2) : 0);
  if (size > picture_size_) {
    if (picture_ != 0) release(picture_);
    picture_ = 0;
    picture_size_ = 0;
    picture_ = allocate(size);
    picture_size_ = size;
  }
  const auto rows = [&](Address target, const std::uint8_t* source, std::ptrdiff_t stride, std::size_t count) {
    check("cudaMemcpy2DAsync", cudaMemcpy2DAsync(pointer(target), row, source, static_cast<std::size_t>(stride), row,
                                                 count, cudaMemcpyHostToDevice, stream_));
  };
  rows(picture_, frame.data, frame.stride, height);
  Frame there = frame;
  there.data = static_cast<const std::uint8_t*>(pointer(picture_));
  there.stride = static_cast<std::ptrdiff_t>(row);
  if (nv12) {
    rows(picture_ + row * height, frame.chroma, frame.chroma_stride, height / 2);
    there.chroma = there.data + row * height;
    there.chroma_stride = there.stride;
  }
  return there;
}

void Device::letterbox(const Frame& frame, const Batch& out, int resized_h, int resized_w, int top, int left, int fill,
                       const Color& color) {
  check_open();
  check_block(reinterpret_cast<Address>(out.data), size_of(out));
  const Task task = letterbox_task(uploaded(frame), out, resized_h, resized_w, top, left, fill, color);
  check("letterbox", launch(task, stream_));
}

void Device::warp_affine(const Frame& frame, const double* frame_from_input, const Batch& out, double pixel_center,
                         int fill, const Color& color) {
  check_open();
  if (size_of(out) == 0) return;
  check_block(reinterpret_cast<Address>(out.data), size_of(out));
  const Frame there = uploaded(frame);
  Batch part = out;
  for (int first = 0; first < out.n; first += MAX_ROWS) {
    part.n = std::min(MAX_ROWS, out.n - first);
    const double* matrices = frame_from_input + 6 * std::ptrdiff_t{first};
    check("warp_affine", launch(warp_task(there, matrices, part, pixel_center, fill, color), stream_));
    part.data = static_cast<char*>(part.data) + size_of(part);
  }
}

void Device::wait_for_others() const {
  check_open();
  check("cudaDeviceSynchronize", cudaDeviceSynchronize());
}

void Device::synchronize() const {
  check_open();
  check("cudaStreamSynchronize", cudaStreamSynchronize(stream_));
}

void Device::close() noexcept {
  if (stream_ == nullptr) return;
  // What fails here has failed before, and was said then: nothing is left to do but to go on.
  (void)cudaSetDevice(index_);
  for (const auto& block : blocks_) (void)cudaFree(pointer(block.first));
  blocks_.clear();
  picture_ = 0;
  picture_size_ = 0;
  (void)cudaStreamDestroy(stream_);
  stream_ = nullptr;
}

HostMemory::HostMemory(const Device& device, std::size_t size, bool mapped) {
  device.use();
  size = std::max<std::size_t>(size, 1);
  check("cudaHostAlloc", cudaHostAlloc(&data_, size, mapped ? cudaHostAllocMapped : cudaHostAllocDefault));
  if (!mapped) return;
  void* there = nullptr;
  const cudaError_t code = cudaHostGetDevicePointer(&there, data_, 0);
  if (code != cudaSuccess) {
    (void)cudaFreeHost(data_);
    throw Failure("cudaHostGetDevicePointer", code);
  }
  on_device_ = reinterpret_cast<Address>(there);
}

HostMemory::~HostMemory() { (void)cudaFreeHost(data_); }

}  // namespace edge_pose::cuda
