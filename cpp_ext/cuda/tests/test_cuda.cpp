// The device half on a pretended device: its warps give the core's bits, and its life leaves nothing behind.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../tests/check.hpp"
#include "../device.hpp"
#include "edge_pose/simd.hpp"
#include "pretend.hpp"

using namespace edge_pose;
using cuda::Address;
using cuda::Device;

namespace {

std::uint32_t state = 7;
std::uint32_t noise() {
  state = state * 1664525U + 1013904223U;
  return state >> 8;
}
double between(double low, double high) { return low + (high - low) * (noise() % 65536) / 65536.0; }

struct Picture {
  std::vector<std::uint8_t> bytes;
  Frame frame;
};

// Rows lie farther apart than they are long.
Picture picture(int h, int w, PixelFormat format) {
  const int row = w * (format == PixelFormat::bgr ? 3 : format == PixelFormat::nv12 ? 1 : 2) + 5;
  const int rows = format == PixelFormat::nv12 ? h * 3 / 2 : h;
  Picture made{std::vector<std::uint8_t>(static_cast<std::size_t>(row) * static_cast<std::size_t>(rows)), {}};
  for (auto& byte : made.bytes) byte = static_cast<std::uint8_t>(noise());
  made.frame = {made.bytes.data(), row, h, w, format};
  if (format == PixelFormat::nv12) {
    made.frame.chroma = made.bytes.data() + std::ptrdiff_t{row} * h;
    made.frame.chroma_stride = row;
  }
  return made;
}

std::size_t size_of(const Batch& b) {
  const std::size_t element = b.element == Element::f32 ? 4 : b.element == Element::f16 ? 2 : 1;
  return element * 3 * static_cast<std::size_t>(b.n) * static_cast<std::size_t>(b.h) * static_cast<std::size_t>(b.w);
}

struct Kind {
  Element element;
  bool planar, swap_rb;
};
constexpr Kind KINDS[] = {
    {Element::f32, true, true}, {Element::f32, false, false}, {Element::f16, true, false}, {Element::u8, false, true}};
constexpr PixelFormat FORMATS[] = {PixelFormat::bgr, PixelFormat::nv12, PixelFormat::yuyv};

Color color_of(const Kind& kind) {
  if (kind.element == Element::u8) return {{1, 1, 1}, {0, 0, 0}, kind.swap_rb};
  return {{0.017F, 0.0175F, 1.0F / 255}, {-2.1F, -2.0F, 0.0F}, kind.swap_rb};
}

// Both give `batch`; returns the largest difference in bytes' values of equal type, 0 when all bits are equal.
template <typename OnHost, typename OnDevice>
double apart(Device& device, Batch batch, OnHost&& on_host, OnDevice&& on_device) {
  std::vector<std::uint8_t> here(size_of(batch)), there(size_of(batch));
  const Address block = device.allocate(there.size());
  batch.data = here.data();
  on_host(batch);
  batch.data = reinterpret_cast<void*>(block);
  on_device(batch);
  device.download(there.data(), block, there.size());
  device.synchronize();
  device.release(block);
  if (here == there) return 0.0;
  double worst = batch.element == Element::f16 ? 1e9 : 0.0;  // halves are held to their bits
  for (std::size_t i = 0; i < here.size(); i += batch.element == Element::f32 ? 4 : 1) {
    float a = here[i], b = there[i];
    if (batch.element == Element::f32) {
      std::memcpy(&a, &here[i], 4);
      std::memcpy(&b, &there[i], 4);
    }
    worst = std::max(worst, static_cast<double>(std::abs(a - b)));
  }
  return worst;
}

void letterboxes_have_the_cores_bits() {
  Device device(0);
  const int sizes[][2] = {{1, 1}, {2, 2}, {48, 64}, {90, 30}, {7, 200}};
  for (const auto& [h, w] : sizes) {
    for (const PixelFormat format : FORMATS) {
      if (format != PixelFormat::bgr && (h % 2 || w % 2)) continue;
      const Picture made = picture(h, w, format);
      for (const Kind& kind : KINDS) {
        for (const int resized : {1, 17, 40}) {
          const Batch batch{nullptr, kind.element, kind.planar, 1, 48, 56};
          const Color color = color_of(kind);
          const auto work = [&](auto&& letterbox) {
            return [&, letterbox](const Batch& out) {
              letterbox(made.frame, out, resized, resized + 3, 4, 9, 114, color);
            };
          };
          CHECK(apart(device, batch, work([](auto... arguments) { letterbox(arguments..., 1); }),
                      work([&](auto... arguments) { device.letterbox(arguments...); })) == 0.0);
        }
      }
    }
  }
}

// Crops that only move and scale have the core's bits. Where they turn, the core adds up steps in 32 fractional bits:
// a weight may differ in its last of 14 bits.
void crops_are_the_cores() {
  Device device(0);
  for (const PixelFormat format : FORMATS) {
    const Picture made = picture(60, 84, format);
    for (const Kind& kind : KINDS) {
      for (const double pixel_center : {0.0, 0.5}) {
        for (const bool turned : {false, true}) {
          constexpr int ROWS = 35;  // more than one launch takes
          std::vector<double> matrices;
          for (int n = 0; n < ROWS; ++n) {
            const double scale = between(0.1, 3.0), angle = turned ? between(-3.2, 3.2) : 0.0;
            const double a = scale * std::cos(angle), b = -scale * std::sin(angle);
            const double x = between(-40, 90), y = between(-40, 70);
            matrices.insert(matrices.end(), {a, turned ? b : 0.0, x, turned ? -b : 0.0, n % 5 ? a : -a, y});
          }
          matrices[6] = 1e300;  // looks past the frame
          // A shear that counts, and one that the core takes for the rounding of a sine.
          matrices[13] = turned ? 0.003 : 1e-6;
          matrices[15] = 0.0;
          const Batch batch{nullptr, kind.element, kind.planar, ROWS, 24, 18};
          const Color color = color_of(kind);
          const double off = apart(
              device, batch,
              [&](const Batch& out) { warp_affine(made.frame, matrices.data(), out, pixel_center, 9, color, 1); },
              [&](const Batch& out) { device.warp_affine(made.frame, matrices.data(), out, pixel_center, 9, color); });
          const double step =
              kind.element == Element::u8 ? 1.0 : 0.05 * *std::max_element(color.scale, color.scale + 3);
          CHECK(off <= (turned ? kind.element == Element::f16 ? 1e9 : step : 0.0));
        }
      }
    }
  }
}

template <typename Work>
std::string refusal(Work&& work) {
  try {
    work();
  } catch (const std::exception& err) {
    return err.what();
  }
  return "";
}

struct Order {
  explicit Order(const char* text) { setenv("PRETEND_CUDA_FAIL", text, 1); }
  ~Order() { unsetenv("PRETEND_CUDA_FAIL"); }
};

void failures_are_said_and_leave_nothing() {
  for (const char* order : {"cudaSetDevice:35", "cudaDeviceGetAttribute:1", "cudaStreamCreateWithFlags:2"}) {
    const Order ordered(order);
    CHECK(refusal([] { Device device(0); }).rfind(std::string(order).substr(0, std::string(order).find(':')), 0) == 0);
  }
  CHECK(refusal([] { Device device(3); }) == "cudaSetDevice: pretended error (error 101)");
  Device device(0);
  const Address block = device.allocate(64);
  char bytes[64] = {};
  setenv("PRETEND_CUDA_BYTES", "100", 1);
  CHECK(refusal([&] { device.allocate(64); }) == "cudaMalloc: out of memory (error 2)");
  unsetenv("PRETEND_CUDA_BYTES");
  CHECK(!refusal([&] { device.upload(block + 1, bytes, 64); }).empty());
  CHECK(!refusal([&] { device.download(bytes, block - 1, 2); }).empty());
  CHECK(!refusal([&] { device.release(block + 1); }).empty());
  CHECK(!refusal([&] { device.copy(block, block + 60, 8); }).empty());
  device.upload(block + 64, bytes, 0);
  const Picture made = picture(4, 4, PixelFormat::bgr);
  const Color color{{1, 1, 1}, {0, 0, 0}, false};
  const Batch outside{reinterpret_cast<void*>(block), Element::f32, true, 1, 4, 4};
  CHECK(!refusal([&] { device.letterbox(made.frame, outside, 4, 4, 0, 0, 0, color); }).empty());
  for (const char* call : {"cudaStreamSynchronize", "cudaDeviceSynchronize"}) {
    const Order ordered((std::string(call) + ":700").c_str());
    const auto wait = [&] { call[4] == 'S' ? device.synchronize() : device.wait_for_others(); };
    CHECK(refusal(wait) == std::string(call) + ": pretended error (error 700)");
  }
  device.close();
  device.close();
  CHECK(refusal([&] { device.allocate(1); }) == "this device has been closed");
  CHECK(pretend::left().blocks == 0 && pretend::left().streams == 0);
}

void shared_memory_needs_no_copy() {
  setenv("PRETEND_CUDA_INTEGRATED", "1", 1);
  Device device(0);
  CHECK(device.shares_memory());
  {
    const cuda::HostMemory memory(device, 16, true), own(device, 0, false);
    const Address block = device.allocate(16);
    std::vector<std::uint8_t> bytes(16, 5);
    device.upload(block, bytes.data(), 16);
    CHECK(memory.on_device() != 0 && own.on_device() == 0);
    device.synchronize();
    const Order ordered("cudaHostGetDevicePointer:1");
    CHECK(!refusal([&] { cuda::HostMemory refused(device, 16, true); }).empty());
    CHECK(pretend::left().host_blocks == 2);
  }
  CHECK(pretend::left().host_blocks == 0);
  unsetenv("PRETEND_CUDA_INTEGRATED");
}

}  // namespace

int main() {
  letterboxes_have_the_cores_bits();
  crops_are_the_cores();
  failures_are_said_and_leave_nothing();
  shared_memory_needs_no_copy();
  CHECK(pretend::left().blocks == 0 && pretend::left().host_blocks == 0 && pretend::left().streams == 0);
  return check_failures();
}
