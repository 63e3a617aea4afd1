#include "edge_pose/warp.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "edge_pose/parallel.hpp"
#include "warp_columns.hpp"
#include "warp_copy.hpp"
#include "warp_frame.hpp"
#include "warp_output.hpp"
#include "warp_scatter.hpp"

namespace edge_pose {
namespace {

using namespace warp;

constexpr float ROW_UNIT = 1.0F / (WEIGHT_ONE * static_cast<float>(WEIGHT_ONE));
constexpr int MIN_ROWS = 16;  // a task smaller than this costs more than it spreads

// What a thread keeps from frame to frame.
struct Scratch {
  ColumnPlan columns;
  RowReader rows;
  std::vector<std::uint8_t> patch;
};

Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

// How many pieces a picture's rows are cut into, so that every thread finds a few.
int pieces(int pictures, int rows, int threads) {
  if (threads < 2 || pictures >= 4 * threads) return 1;
  const int wanted = (4 * threads + pictures - 1) / std::max(pictures, 1);
  return std::clamp(rows / MIN_ROWS, 1, wanted);
}

// One output row from the frame's rows at a vertical position; to the left and right of the columns lies fill.
void write_row(const Kernels& kernels, const Output& out, const ColumnPlan& columns, RowReader& rows, Tap tap, int n,
               int y, int left) {
  ResizeRow row{&columns.view(), rows.row(tap.index), nullptr, 1.0F / WEIGHT_ONE, 0.0F, out.target(n, y, left)};
  if (tap.weight != 0) {
    row.row1 = rows.row(tap.index + 1);
    row.r0 = static_cast<float>(WEIGHT_ONE - tap.weight) * ROW_UNIT;
    row.r1 = static_cast<float>(tap.weight) * ROW_UNIT;
  }
  kernels.resize_row(row);
}

// Rows [y0, y1) of picture n, the matrix being free of rotation and shear.
void warp_upright(const Kernels& kernels, const Frame& frame, const Axis& across, const Axis& down, const Output& out,
                  int fill, int n, int y0, int y1) {
  Scratch& mine = scratch();
  const int width = out.batch().w;
  mine.columns.plan_bordered(across, width, frame.width, fill);
  const int begin = mine.columns.begin(), end = mine.columns.end();
  if (begin == end) return out.fill(n, y0, y1, 0, width);
  mine.rows.open(frame, kernels, mine.columns.first_pixel(), mine.columns.last_pixel() + 1, fill);
  mine.columns.finish(mine.rows.first(), mine.rows.readable(), kernels.wants_windows);
  for (int y = y0; y < y1; ++y) {
    const double position = down.at(y);
    const bool seen = position > -1.0 && position < frame.height;
    out.fill(n, y, y + 1, 0, seen ? begin : width);
    if (!seen) continue;
    out.fill(n, y, y + 1, end, width);
    write_row(kernels, out, mine.columns, mine.rows, tap_at(position), n, y, begin);
  }
}

void warp_piece(const Kernels& kernels, const Frame& frame, const double* m, double pc, const Output& out, int fill,
                int n, int y0, int y1) {
  const int width = out.batch().w, height = out.batch().h;
  const double across[3] = {m[0], m[1], m[2] + (m[0] + m[1]) * pc - pc};
  const double down[3] = {m[3], m[4], m[5] + (m[3] + m[4]) * pc - pc};
  const bool far = std::any_of(m, m + 6, [](double v) { return !(std::abs(v) <= 0x1p40); });
  if (far) return out.fill(n, y0, y1, 0, width);
  // A shear that moves no pixel by a thousandth is the rounding of somebody's sine.
  constexpr double STRAIGHT = 1e-4;
  if (std::abs(across[1]) * height < STRAIGHT && std::abs(down[0]) * width < STRAIGHT) {
    return warp_upright(kernels, frame, {across[2], across[0]}, {down[2], down[1]}, out, fill, n, y0, y1);
  }
  warp_scattered(kernels, frame, across, down, out, fill, n, y0, y1, scratch().patch);
}

}  // namespace

void letterbox(const Frame& frame, const Batch& batch, int resized_h, int resized_w, int top, int left, int fill,
               const Color& color, int threads) {
  const Kernels& kernels = warp::kernels();
  const Output out(batch, color, fill);
  const double step_x = static_cast<double>(frame.width) / resized_w;
  const double step_y = static_cast<double>(frame.height) / resized_h;
  const Axis across{0.5 * step_x - 0.5, step_x}, down{0.5 * step_y - 0.5, step_y};

  Scratch& shared = scratch();  // the plan is read by all
  ColumnPlan& columns = shared.columns;
  columns.plan_clamped(across, resized_w, frame.width);
  shared.rows.open(frame, kernels, 0, frame.width, fill);
  columns.finish(shared.rows.first(), shared.rows.readable(), kernels.wants_windows);

  // A picture that keeps its size and its bytes is copied.
  const bool copied = frame.format == PixelFormat::bgr && batch.element == Element::u8 && !batch.planar &&
                      resized_h == frame.height && resized_w == frame.width;

  const int count = pieces(1, batch.h, resolve_threads(threads));
  parallel_for(count, resolve_threads(threads), [&](int piece) {
    const auto cut = [&](int at) { return static_cast<int>(std::int64_t{batch.h} * at / count); };
    const int begin = cut(piece), end = cut(piece + 1), bottom = top + resized_h;
    out.fill(0, begin, std::min(end, top), 0, batch.w);
    out.fill(0, std::max(begin, bottom), end, 0, batch.w);
    RowReader& rows = scratch().rows;
    if (&rows != &shared.rows) rows.open(frame, kernels, 0, frame.width, fill);
    for (int y = std::max(begin, top); y < std::min(end, bottom); ++y) {
      out.fill(0, y, y + 1, 0, left);
      out.fill(0, y, y + 1, left + resized_w, batch.w);
      if (copied) {
        const std::ptrdiff_t at = std::ptrdiff_t{y} * batch.w + left;
        copy_pixels(kernels.level, frame.data + frame.stride * (y - top),
                    static_cast<std::uint8_t*>(batch.data) + 3 * at, resized_w, color.swap_rb);
        continue;
      }
      const double position = std::clamp(down.at(y - top), 0.0, static_cast<double>(frame.height - 1));
      write_row(kernels, out, columns, rows, tap_at(position), 0, y, left);
    }
  });
}

void warp_affine(const Frame& frame, const double* frame_from_input, const Batch& batch, double pixel_center, int fill,
                 const Color& color, int threads) {
  const Kernels& kernels = warp::kernels();
  const Output out(batch, color, fill);
  const int count = pieces(batch.n, batch.h, resolve_threads(threads));
  parallel_for(batch.n * count, resolve_threads(threads), [&](int task) {
    const int n = task / count, piece = task % count;
    const auto cut = [&](int at) { return static_cast<int>(std::int64_t{batch.h} * at / count); };
    warp_piece(kernels, frame, frame_from_input + 6 * std::ptrdiff_t{n}, pixel_center, out, fill, n, cut(piece),
               cut(piece + 1));
  });
}

}  // namespace edge_pose
