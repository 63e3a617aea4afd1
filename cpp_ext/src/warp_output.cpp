#include "warp_output.hpp"

#include <algorithm>
#include <cstdint>

#include "warp_scalar.hpp"

namespace edge_pose::warp {

Output::Output(const Batch& batch, const Color& color, int fill) : batch_(batch), size_(element_size(batch.element)) {
  for (int c = 0; c < 3; ++c) {
    out_channel_[c] = color.swap_rb ? 2 - c : c;
    scale_[c] = color.scale[out_channel_[c]];
    bias_[c] = color.bias[out_channel_[c]];
    store_element(batch.element, fill_[c], static_cast<float>(fill), color.scale[c], color.bias[c]);
  }
  one_grey_ = std::memcmp(fill_[0], fill_[1], size_) == 0 && std::memcmp(fill_[0], fill_[2], size_) == 0;
}

void Output::fill(int n, int y0, int y1, int x0, int x1) const {
  const std::ptrdiff_t count = std::ptrdiff_t{y1 - y0} * (x1 - x0);
  if (count <= 0) return;
  switch (batch_.element) {
    case Element::f32:
      return fill_as<std::uint32_t>(n, y0, x0, count);
    case Element::f16:
      return fill_as<std::uint16_t>(n, y0, x0, count);
    case Element::u8:
      return fill_as<std::uint8_t>(n, y0, x0, count);
  }
}

template <typename T>
void Output::fill_as(int n, int y, int x, std::ptrdiff_t count) const {
  T value[3];
  for (int c = 0; c < 3; ++c) std::memcpy(&value[c], fill_[c], sizeof(T));
  if (batch_.planar) {
    for (int c = 0; c < 3; ++c) std::fill_n(static_cast<T*>(at(n, c, y, x)), count, value[c]);
  } else if (one_grey_) {
    std::fill_n(static_cast<T*>(at(n, 0, y, x)), 3 * count, value[0]);
  } else {
    T* out = static_cast<T*>(at(n, 0, y, x));
    for (std::ptrdiff_t i = 0; i < count; ++i) std::copy_n(value, 3, out + 3 * i);
  }
}

}  // namespace edge_pose::warp
