// Gaussian blur as OpenCV defines it (sigma from the kernel size), of a whole map or only round one cell.
#pragma once

#include <cstddef>
#include <vector>

namespace edge_pose {

constexpr int MAX_BLUR = 127;  // the greatest kernel size

// What lies outside a map: zeros, or the map mirrored without repeating its edge cell.
enum class Border { ZERO, REFLECT };

// One side of a separable kernel: `size` taps that sum to 1. size is odd, 1..MAX_BLUR.
class GaussianKernel {
 public:
  explicit GaussianKernel(int size);
  int size() const { return size_; }
  int radius() const { return size_ / 2; }
  const float* taps() const { return taps_; }

 private:
  int size_;
  float taps_[MAX_BLUR];
};

// The blurred values of the 5x5 cells round (x, y) of a map [h][w]; what lies outside the map is not meaningful.
struct Patch {
  static constexpr int REACH = 2;
  static constexpr int WIDTH = 8;  // a row is 5 values, computed 8 at a time
  float values[5][WIDTH];
  float at(int dx, int dy) const { return values[REACH + dy][REACH + dx]; }
};
void blur_patch(const float* map, int h, int w, int x, int y, const GaussianKernel& kernel, Border border,
                Patch& patch);

// Blurs a map [h][w] into out [h][w]; scratch is reused between calls. A vector is a map of one row: pass column =
// false to leave the direction across rows alone.
void blur_map(const float* map, int h, int w, const GaussianKernel& kernel, Border border, float* out,
              std::vector<float>& scratch, bool column = true);

}  // namespace edge_pose
