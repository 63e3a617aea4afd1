#include "edge_pose/gaussian.hpp"

#include <algorithm>
#include <cmath>

#include "lanes.hpp"

namespace edge_pose {
namespace {

// out[0..count) = row[from..from + count), with what lies outside the row put in by the border's rule.
void padded_row(const float* row, int w, int from, int count, Border border, float* out) {
  for (int i = 0; i < count; ++i) {
    const int x = from + i;
    if (x >= 0 && x < w) {
      out[i] = row[x];
    } else {
      out[i] = border == Border::ZERO ? 0.0F : row[mirror(x, w)];
    }
  }
}

}  // namespace

GaussianKernel::GaussianKernel(int size) : size_(size) {
  // OpenCV's fixed kernels for small sizes, in units of 1/256; the formula of getGaussianKernel for the others.
  static constexpr double SMALL[5][9] = {
      {256}, {64, 128, 64}, {16, 64, 96, 64, 16}, {8, 28, 56, 72, 56, 28, 8}, {4, 13, 30, 51, 60, 51, 30, 13, 4}};
  if (size <= 9) {
    for (int i = 0; i < size; ++i) taps_[i] = static_cast<float>(SMALL[size / 2][i] / 256.0);
    return;
  }
  const double sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  double values[MAX_BLUR];
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const double d = i - (size - 1) * 0.5;
    values[i] = std::exp(-d * d / (2 * sigma * sigma));
    sum += values[i];
  }
  for (int i = 0; i < size; ++i) taps_[i] = static_cast<float>(values[i] / sum);
}

void blur_patch(const float* map, int h, int w, int x, int y, const GaussianKernel& kernel, Border border,
                Patch& patch) {
  constexpr int WIDTH = Patch::WIDTH;
  const int radius = kernel.radius();
  const float* taps = kernel.taps();
  const int left = x - Patch::REACH - radius;
  const int count = WIDTH + kernel.size() - 1;
  const bool inside = left >= 0 && left + count <= w;
  float buffer[MAX_BLUR + WIDTH];
  for (auto& row : patch.values) std::fill(row, row + WIDTH, 0.0F);
  for (int i = 0; i < kernel.size() + 2 * Patch::REACH; ++i) {
    int row = y - Patch::REACH - radius + i;
    if (row < 0 || row >= h) {
      if (border == Border::ZERO) continue;
      row = mirror(row, h);
    }
    const float* source = map + static_cast<std::size_t>(row) * static_cast<std::size_t>(w);
    if (inside) {
      source += left;
    } else {
      padded_row(source, w, left, count, border, buffer);
      source = buffer;
    }
    float sum[WIDTH] = {};
    for (int t = 0; t < kernel.size(); ++t) {
      for (int l = 0; l < WIDTH; ++l) sum[l] += taps[t] * source[t + l];
    }
    const int first = std::max(0, i - kernel.size() + 1);
    for (int j = first; j <= std::min(i, 2 * Patch::REACH); ++j) {
      for (int l = 0; l < WIDTH; ++l) patch.values[j][l] += taps[i - j] * sum[l];
    }
  }
}

void blur_map(const float* map, int h, int w, const GaussianKernel& kernel, Border border, float* out,
              std::vector<float>& scratch, bool column) {
  const int radius = kernel.radius();
  const std::size_t size =
      blur_rows_size(static_cast<std::size_t>(h), static_cast<std::size_t>(w), static_cast<std::size_t>(radius));
  if (scratch.size() < size) scratch.resize(size);
  lanes().blur({map, out, scratch.data(), h, w, kernel.taps(), radius, border == Border::REFLECT, column});
}

}  // namespace edge_pose
