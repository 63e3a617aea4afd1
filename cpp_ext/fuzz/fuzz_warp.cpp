#include "bytes.hpp"
#include "edge_pose/warp.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  const bool nv12 = in.flag(), yuyv = !nv12 && in.flag();
  int height = static_cast<int>(in.size(1, 40)), width = static_cast<int>(in.size(1, 40));
  if (nv12) height += height % 2;
  if (nv12 || yuyv) width += width % 2;
  const int pixel = yuyv ? 2 : nv12 ? 1 : 3;
  const std::ptrdiff_t stride = width * pixel;
  const auto image = in.octets(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height) * 2);
  Frame frame{image.data(), stride, height, width,
              nv12   ? PixelFormat::nv12
              : yuyv ? PixelFormat::yuyv
                     : PixelFormat::bgr};
  if (nv12) {
    frame.chroma = image.data() + stride * height;
    frame.chroma_stride = stride;
  } else if (in.flag()) {  // rows backwards
    frame.data += stride * (height - 1);
    frame.stride = -stride;
  }
  Batch out{};
  out.element = static_cast<Element>(in.size(0, 2));
  out.planar = out.element != Element::u8 && in.flag();
  out.n = static_cast<int>(in.size(0, 3));
  out.h = static_cast<int>(in.size(1, 40));
  out.w = static_cast<int>(in.size(1, 40));
  const std::size_t bytes[] = {1, 2, 4};
  const auto count = static_cast<std::size_t>(out.n * out.h * out.w * 3);
  const Color plain{{1, 1, 1}, {0, 0, 0}, in.flag()};
  const int threads = static_cast<int>(in.size(1, 2)), fill = static_cast<int>(in.size(0, 255));
  const double center = in.flag() ? 0.5 : 0.0;
  const auto matrices = in.matrices(static_cast<std::size_t>(out.n));
  for (const double v : matrices) {
    if (!(v - v == 0)) return;  // the binding refuses what is not finite
  }
  std::vector<std::uint8_t> target(count * bytes[static_cast<int>(out.element)]);
  out.data = target.data();
  warp_affine(frame, matrices.data(), out, center, fill, plain, threads);
  if (out.n != 1) return;
  const int rh = static_cast<int>(in.size(1, static_cast<std::size_t>(out.h)));
  const int rw = static_cast<int>(in.size(1, static_cast<std::size_t>(out.w)));
  const int top = static_cast<int>(in.size(0, static_cast<std::size_t>(out.h - rh)));
  const int left = static_cast<int>(in.size(0, static_cast<std::size_t>(out.w - rw)));
  letterbox(frame, out, rh, rw, top, left, fill, plain, threads);
  if (height > out.h || width > out.w) return;
  letterbox(frame, out, height, width, out.h - height, out.w - width, fill, plain, threads);  // a plain copy
}

EDGE_POSE_FUZZ(run)
