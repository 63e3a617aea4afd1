// Numbers out of the fuzzer's bytes: small sizes, and floats of any bit pattern (NaN, infinities, denormals too).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace edge_pose::fuzz {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  // A number in [low, high]; low when the bytes are used up.
  std::size_t size(std::size_t low, std::size_t high) {
    std::uint16_t raw = 0;
    take(&raw, sizeof raw);
    return low + raw % (high - low + 1);
  }

  bool flag() { return size(0, 1) == 1; }

  float real() {
    float value = 0;
    take(&value, sizeof value);
    return value;
  }

  // n floats. Half of the inputs are tame (0..1 or pixels), or the interesting paths would never be reached.
  std::vector<float> reals(std::size_t n) {
    const std::size_t kind = size(0, 3);
    std::vector<float> values(n);
    for (float& value : values) {
      if (kind == 0) {
        value = real();
      } else {
        std::uint8_t raw = 0;
        take(&raw, 1);
        value = static_cast<float>(raw) * (kind == 1 ? 1.0F / 255.0F : kind == 2 ? 2.5F : -0.01F);
      }
    }
    return values;
  }

  std::vector<double> matrices(std::size_t n) {
    const auto values = reals(6 * n);
    return {values.begin(), values.end()};
  }

  std::vector<std::uint8_t> octets(std::size_t n) {
    std::vector<std::uint8_t> values(n);
    take(values.data(), n);
    return values;
  }

 private:
  void take(void* out, std::size_t n) {
    const std::size_t there = std::min(n, size_);
    if (there == 0) return;  // an empty buffer may be a null pointer
    std::memcpy(out, data_, there);
    data_ += there;
    size_ -= there;
  }

  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace edge_pose::fuzz

// The body of one target: `bytes` is the input.
#define EDGE_POSE_FUZZ(body)                                                          \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    edge_pose::fuzz::Bytes bytes(data, size);                                         \
    body(bytes);                                                                      \
    return 0;                                                                         \
  }
