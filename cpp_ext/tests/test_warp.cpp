// Warping at every SIMD level this machine has: the same bits as the scalar level, and not one byte read or written
// beside the arrays, which end at a page that must not be touched.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "check.hpp"
#include "edge_pose/simd.hpp"
#include "edge_pose/warp.hpp"

using namespace edge_pose;

namespace {

// Memory between two pages without access; the bytes lie at its very end, or at its very beginning.
class Fenced {
 public:
  Fenced(std::size_t size, bool at_end) : size_(size) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inner = (size + page - 1) / page * page;
    total_ = inner + 2 * page;
    map_ = static_cast<std::uint8_t*>(mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(map_ != MAP_FAILED);
    CHECK(mprotect(map_ + page, std::max(inner, page), PROT_READ | PROT_WRITE) == 0 || inner == 0);
    data_ = map_ + page + (at_end ? inner - size : 0);
  }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  ~Fenced() { munmap(map_, total_); }
  std::uint8_t* data() { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_, total_ = 0;
  std::uint8_t *map_ = nullptr, *data_ = nullptr;
};

std::uint32_t state = 1;
std::uint8_t noise() {
  state = state * 1664525U + 1013904223U;
  return static_cast<std::uint8_t>(state >> 24);
}

struct Kind {
  Element element;
  bool planar, swap_rb;
};
constexpr Kind KINDS[] = {{Element::f32, true, true},  {Element::f32, false, false}, {Element::f16, true, false},
                          {Element::f16, false, true}, {Element::u8, true, true},    {Element::u8, false, true}};

std::size_t size_of(const Batch& b) {
  const std::size_t element = b.element == Element::f32 ? 4 : b.element == Element::f16 ? 2 : 1;
  return element * 3 * static_cast<std::size_t>(b.n) * static_cast<std::size_t>(b.h) * static_cast<std::size_t>(b.w);
}

// Runs work(batch) at every level into fenced memory and compares.
template <typename Work>
void same_everywhere(Batch batch, Work&& work) {
  std::vector<std::uint8_t> expected;
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    for (const bool at_end : {true, false}) {
      Fenced memory(size_of(batch), at_end);
      std::memset(memory.data(), 0xA5, memory.size());
      batch.data = memory.data();
      work(batch);
      if (expected.empty()) expected.assign(memory.data(), memory.data() + memory.size());
      CHECK(std::equal(expected.begin(), expected.end(), memory.data()));
    }
  }
  CHECK(set_simd_level(simd_best()));
}

struct Size {
  int h, w;
};

// A frame in memory of exactly its own size, upright or upside down.
Frame frame_in(Fenced& memory, PixelFormat format, Size size, bool flipped) {
  std::generate(memory.data(), memory.data() + memory.size(), noise);
  const std::ptrdiff_t stride = (format == PixelFormat::bgr ? 3 : format == PixelFormat::yuyv ? 2 : 1) * size.w;
  Frame frame{memory.data(), stride, size.h, size.w, format, nullptr, 0};
  if (format == PixelFormat::nv12) {
    frame.chroma = frame.data + stride * size.h;
    frame.chroma_stride = stride;
  } else if (flipped) {
    frame.data += stride * (size.h - 1);
    frame.stride = -stride;
  }
  return frame;
}

std::size_t bytes_of(PixelFormat format, Size size) {
  const auto pixels = static_cast<std::size_t>(size.h) * static_cast<std::size_t>(size.w);
  return format == PixelFormat::bgr ? 3 * pixels : format == PixelFormat::yuyv ? 2 * pixels : pixels * 3 / 2;
}

// Turned by `angle`, `zoom` frame pixels to an output pixel, its middle at (cx, cy).
void set_crop(double* m, double angle, double zoom, double cx, double cy, int h, int w) {
  const double c = zoom * std::cos(angle), s = zoom * std::sin(angle);
  const double values[6] = {c, -s, cx - c * w / 2 + s * h / 2, s, c, cy - s * w / 2 - c * h / 2};
  std::copy_n(values, 6, m);
}

void test_every_frame(PixelFormat format, Size size) {
  for (const bool at_end : {true, false}) {
    Fenced memory(bytes_of(format, size), at_end);
    const Frame frame = frame_in(memory, format, size, !at_end);
    for (const Kind& kind : KINDS) {
      const Color color{{1 / 58.0F, 1 / 57.0F, 1 / 59.0F}, {-2.1F, -2.0F, 0.0F}, kind.swap_rb};
      for (const auto& [rh, rw] : {Size{37, 53}, Size{11, 16}, Size{20, 1}, Size{3, 7}}) {
        same_everywhere({nullptr, kind.element, kind.planar, 1, 37, 53}, [&, h = rh, w = rw](const Batch& out) {
          letterbox(frame, out, h, w, 37 - h, 53 - w, 9, color, 1);
        });
      }
      constexpr int N = 8, H = 25, W = 37;
      double crops[6 * N];
      const double w = size.w, h = size.h;
      set_crop(crops + 0, 0.0, std::max(w / W, h / H), w / 2, h / 2, H, W);
      set_crop(crops + 6, 0.0, -0.3, w, h, H, W);
      set_crop(crops + 12, 0.0, 6.0, 0, 0, H, W);
      set_crop(crops + 18, 0.4, std::max(w / W, h / H), w / 2, h / 2, H, W);
      set_crop(crops + 24, 2.5, 0.1, w - 1, h - 1, H, W);
      set_crop(crops + 30, 1e-3, 0.5, w - 3, 1, H, W);
      set_crop(crops + 36, 0.3, 1.0, -1000, 5, H, W);
      set_crop(crops + 42, 0.7, 1e11, 1, 1, H, W);
      same_everywhere({nullptr, kind.element, kind.planar, N, H, W},
                      [&](const Batch& out) { warp_affine(frame, crops, out, 0.5, 200, color, 1); });
    }
  }
}

void test_extreme_matrices() {
  Fenced memory(3 * 70 * 90, true);
  const Frame frame = frame_in(memory, PixelFormat::bgr, {70, 90}, false);
  const Color color{{1, 1, 1}, {0, 0, 0}, false};
  const double values[] = {0.0, -0.0, 1.0, -1.0, 89.0, 90.0, -1.0 + 1e-12, 1e-310, 1e9, 0x1p40, -0x1p40, 1e300, 45.3};
  for (int k = 0; k < 3000; ++k) {
    double m[6];
    for (double& v : m) v = values[noise() % std::size(values)];
    same_everywhere({nullptr, Element::f32, true, 1, 9, 18}, [&](const Batch& out) {
      warp_affine(frame, m, out, 0.0, 7, color, 1);
      const auto* pixels = static_cast<const float*>(out.data);
      CHECK(std::all_of(pixels, pixels + 3 * 9 * 18, [](float v) { return v >= 0.0F && v <= 255.0F; }));
    });
  }
}

void test_nobody() {
  Fenced memory(3, true);
  const Frame frame = frame_in(memory, PixelFormat::bgr, {1, 1}, false);
  const Color color{{1, 1, 1}, {0, 0, 0}, false};
  warp_affine(frame, nullptr, {nullptr, Element::f32, true, 0, 8, 8}, 0.0, 0, color, 4);
}

// Bytes that keep their size, at every length of a row, with the output exactly as large.
void test_plain_copies() {
  for (int width = 1; width <= 70; ++width) {
    for (const bool swap_rb : {false, true}) {
      Fenced memory(bytes_of(PixelFormat::bgr, {2, width}), swap_rb);
      const Frame frame = frame_in(memory, PixelFormat::bgr, {2, width}, width % 2 == 0);
      const Color color{{1, 1, 1}, {0, 0, 0}, swap_rb};
      same_everywhere({nullptr, Element::u8, false, 1, 2, width}, [&](const Batch& out) {
        letterbox(frame, out, 2, width, 0, 0, 0, color, 1);
        const auto* bytes = static_cast<const std::uint8_t*>(out.data);
        CHECK(bytes[swap_rb ? 2 : 0] == frame.data[0] && bytes[1] == frame.data[1]);
      });
    }
  }
}

void test_halves_round_to_even() {
  // 0.5 ulp cases of float16 around a pixel value of 1, subnormals, and what is too large.
  Fenced memory(3, true);
  Frame frame = frame_in(memory, PixelFormat::bgr, {1, 1}, false);
  std::memset(memory.data(), 1, 3);
  for (const float scale :
       {1.00048828125F, 1.00146484375F, 6e-8F, 3e-8F, 2.9e-8F, 6.1e-5F, 6.0e-5F, 65519.0F, 65520.0F, 1e30F, -2.5F}) {
    const Color color{{scale, scale, scale}, {0, 0, 0}, false};
    same_everywhere({nullptr, Element::f16, true, 1, 5, 21},
                    [&](const Batch& out) { letterbox(frame, out, 5, 21, 0, 0, 0, color, 1); });
  }
}

}  // namespace

int main() {
  for (const Size size : {Size{1, 1}, Size{1, 2}, Size{2, 3}, Size{7, 5}, Size{40, 85}, Size{41, 86}, Size{3, 400}}) {
    test_every_frame(PixelFormat::bgr, size);
  }
  for (const Size size : {Size{2, 2}, Size{6, 84}, Size{40, 90}, Size{4, 402}}) {
    test_every_frame(PixelFormat::nv12, size);
    test_every_frame(PixelFormat::yuyv, size);
  }
  test_every_frame(PixelFormat::yuyv, {5, 6});
  test_extreme_matrices();
  test_nobody();
  test_plain_copies();
  test_halves_round_to_even();
  return check_failures() == 0 ? 0 : 1;
}
