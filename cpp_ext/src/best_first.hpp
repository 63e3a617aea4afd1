// Candidates in order of score, sorted only as far as somebody looks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace edge_pose {

// An integer that sorts as the score does, highest first: NaN last, -0 with +0.
inline std::uint32_t descending_key(float score) {
  if (score != score) return 0xFFFFFFFFU;
  score += 0.0F;
  std::uint32_t bits;
  std::memcpy(&bits, &score, sizeof bits);
  return (bits & 0x80000000U) != 0 ? bits : 0x7FFFFFFFU - bits;
}

// Hands out 0..n-1 by descending score, the lower index first among equals.
class BestFirst {
 public:
  void reserve(std::size_t n) { keys_.reserve(n); }
  void push(float score) { keys_.push_back((std::uint64_t{descending_key(score)} << 32) | keys_.size()); }
  std::size_t size() const { return keys_.size(); }

  // Begins again with the best.
  void rewind() { at_ = 0; }

  bool next(std::size_t& index) {
    if (at_ == sorted_ && !sort_more()) return false;
    index = static_cast<std::size_t>(keys_[at_++] & 0xFFFFFFFFU);
    return true;
  }

 private:
  bool sort_more() {
    if (sorted_ == keys_.size()) return false;
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const std::size_t chunk = std::min(keys_.size() - sorted_, std::max<std::size_t>(256, sorted_));
    const auto end = begin + static_cast<std::ptrdiff_t>(chunk);
    if (end != keys_.end()) std::nth_element(begin, end, keys_.end());
    std::sort(begin, end);
    sorted_ += chunk;
    return true;
  }

  std::vector<std::uint64_t> keys_;
  std::size_t sorted_ = 0, at_ = 0;
};

}  // namespace edge_pose
