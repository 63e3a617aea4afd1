// Device addresses are host addresses with a bit turned, so that whoever follows one on the host falls. Work is queued
// and done when somebody waits, as late as a real device might be; only what the reference says of pageable memory is
// done at once: it is staged on the way in, and waited for on the way out.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cuda_runtime_api.h"
#include "launch.hpp"
#include "pretend.hpp"

struct PretendStream {
  std::deque<std::function<void()>> queue;
};

namespace {

constexpr std::uintptr_t TURNED = std::uintptr_t{1} << 46;
constexpr std::size_t ALIGNMENT = 256, PAGE = 4096;

struct World {
  std::map<std::uintptr_t, std::size_t> blocks, host;  // address -> size, as the host sees it
  std::set<PretendStream*> streams;
  std::set<std::uintptr_t> mapped;
};

World& world() {
  static World it;
  return it;
}

template <typename T>
T* turned(T* address) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(address) ^ TURNED);
}

cudaError_t ordered(const char* call) {
  const char* orders = std::getenv("PRETEND_CUDA_FAIL");
  const std::string wanted = std::string(",") + call + ":", all = std::string(",") + (orders ? orders : "");
  const std::size_t at = all.find(wanted);
  return at == std::string::npos ? cudaSuccess : static_cast<cudaError_t>(std::atoi(all.c_str() + at + wanted.size()));
}

bool inside(const std::map<std::uintptr_t, std::size_t>& blocks, const void* address, std::size_t size) {
  const auto start = reinterpret_cast<std::uintptr_t>(address);
  auto after = blocks.upper_bound(start);
  if (after == blocks.begin()) return false;
  const auto& [begin, length] = *std::prev(after);
  return start - begin <= length && size <= length - (start - begin);
}

// The device's bytes as the host may touch them, or null.
void* device_bytes(const void* address, std::size_t size) {
  void* here = turned(const_cast<void*>(address));
  const bool ours = inside(world().blocks, here, size);
  const bool shared = inside(world().host, here, size) && !world().mapped.empty();
  return ours || shared ? here : nullptr;
}

void finish(PretendStream* stream) {
  while (!stream->queue.empty()) {
    stream->queue.front()();
    stream->queue.pop_front();
  }
}

cudaError_t taken(PretendStream* stream, bool at_once) {
  if (at_once || std::getenv("PRETEND_CUDA_EAGER") != nullptr) finish(stream);
  return cudaSuccess;
}

}  // namespace

#define UNLESS_ORDERED(call)                                                      \
  do {                                                                            \
    if (const cudaError_t code = ordered(call); code != cudaSuccess) return code; \
  } while (false)

const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorMemoryAllocation ? "out of memory" : "pretended error";
}

cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }

cudaError_t cudaSetDevice(int index) {
  UNLESS_ORDERED("cudaSetDevice");
  return index == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  UNLESS_ORDERED("cudaDeviceGetAttribute");
  *value = std::getenv("PRETEND_CUDA_INTEGRATED") != nullptr;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  UNLESS_ORDERED("cudaStreamCreateWithFlags");
  if (flags != cudaStreamNonBlocking) return cudaErrorInvalidValue;
  *stream = new PretendStream;
  world().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  world().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  UNLESS_ORDERED("cudaStreamSynchronize");
  finish(stream);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  UNLESS_ORDERED("cudaDeviceSynchronize");
  for (PretendStream* stream : world().streams) finish(stream);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t size) {
  UNLESS_ORDERED("cudaMalloc");
  std::size_t used = size;
  for (const auto& block : world().blocks) used += block.second;
  const char* limit = std::getenv("PRETEND_CUDA_BYTES");
  if (limit != nullptr && used > std::strtoull(limit, nullptr, 10)) return cudaErrorMemoryAllocation;
  void* memory = std::aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
  std::memset(memory, 0xC3, size);
  world().blocks[reinterpret_cast<std::uintptr_t>(memory)] = size;
  *address = turned(memory);
  return cudaSuccess;
}

cudaError_t cudaFree(void* address) {
  if (world().blocks.erase(reinterpret_cast<std::uintptr_t>(turned(address))) == 0) return cudaErrorInvalidValue;
  std::free(turned(address));
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** address, std::size_t size, unsigned flags) {
  UNLESS_ORDERED("cudaHostAlloc");
  *address = std::aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
  world().host[reinterpret_cast<std::uintptr_t>(*address)] = size;
  if (flags & cudaHostAllocMapped) world().mapped.insert(reinterpret_cast<std::uintptr_t>(*address));
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* address) {
  world().mapped.erase(reinterpret_cast<std::uintptr_t>(address));
  if (world().host.erase(reinterpret_cast<std::uintptr_t>(address)) == 0) return cudaErrorInvalidValue;
  std::free(address);
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** there, void* address, unsigned) {
  UNLESS_ORDERED("cudaHostGetDevicePointer");
  if (world().mapped.count(reinterpret_cast<std::uintptr_t>(address)) == 0) return cudaErrorInvalidValue;
  *there = turned(address);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t size, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return cudaMemcpy2DAsync(target, size, source, size, size, 1, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* target, std::size_t target_pitch, const void* source, std::size_t source_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  UNLESS_ORDERED("cudaMemcpyAsync");
  const std::size_t to_size = target_pitch * (height - 1) + width, from_size = source_pitch * (height - 1) + width;
  if (kind != cudaMemcpyDeviceToHost) target = device_bytes(target, to_size);
  if (kind != cudaMemcpyHostToDevice) source = device_bytes(source, from_size);
  if (target == nullptr || source == nullptr) return cudaErrorInvalidValue;
  const auto move = [=](void* to, const void* from) {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(to) + row * target_pitch, static_cast<const char*>(from) + row * source_pitch,
                  width);
    }
  };
  const bool pageable_in = kind == cudaMemcpyHostToDevice && !inside(world().host, source, from_size);
  const bool pageable_out = kind == cudaMemcpyDeviceToHost && !inside(world().host, target, to_size);
  if (pageable_in) {
    auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(source),
                                                      static_cast<const char*>(source) + from_size);
    stream->queue.emplace_back([=] { move(target, staged->data()); });
  } else {
    stream->queue.emplace_back([=] { move(target, source); });
  }
  return taken(stream, pageable_out);
}

namespace edge_pose::cuda {

cudaError_t launch(const Task& given, cudaStream_t stream) {
  UNLESS_ORDERED("launch");
  Task task = given;
  const auto here = [](const auto* address) {
    return turned(const_cast<std::remove_const_t<std::remove_pointer_t<decltype(address)>>*>(address));
  };
  task.frame.data = here(task.frame.data);
  if (task.frame.chroma != nullptr) task.frame.chroma = here(task.frame.chroma);
  task.out.data = turned(task.out.data);
  stream->queue.emplace_back([task] {
    for (int n = 0; n < task.out.n; ++n) {
      for (int y = 0; y < task.out.h; ++y) {
        for (int x = 0; x < task.out.w; ++x) write_pixel(task, n, y, x);
      }
    }
  });
  return taken(stream, false);
}

}  // namespace edge_pose::cuda

namespace pretend {

Left left() { return {world().blocks.size(), world().host.size(), world().streams.size()}; }

}  // namespace pretend
