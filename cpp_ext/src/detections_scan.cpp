#include "detections_scan.hpp"

#include "vectors.hpp"

namespace edge_pose {

namespace {

// How many scores of one channel are compared at a time, and with what.
struct Singles {
  using Value = float;
  using Vector = F32x16;
  using Mask = I32x16;
  static float threshold(float confidence) { return confidence; }
};

// Positive halves sort as their bits do as integers, so they need no conversion to be compared.
struct Halves {
  using Value = std::int16_t;
  using Vector = I16x32;
  using Mask = I16x32;
  static std::int16_t threshold(float confidence) {  // the largest half that is not above it
    std::uint16_t low = 0, high = 0x7C00;
    while (low + 1 < high) {
      const auto middle = static_cast<std::uint16_t>((low + high) / 2);
      (float_from_half(middle) <= confidence ? low : high) = middle;
    }
    return static_cast<std::int16_t>(low);
  }
};

class Scan {
 public:
  Scan(const HeadView& head, const HeadLayout& layout, const Suppression& options, Candidates& found)
      : head_(head), layout_(layout), options_(options), found_(found), first_class_(layout.objectness ? 5 : 4) {}

  EDGE_POSE_INLINE void run() {
    if (head_.row_stride != 1) return rows();
    head_.type == ElementType::float32 ? tiles<Singles>() : tiles<Halves>();
  }

 private:
  static constexpr std::size_t TILE = 64;  // rows: four cache lines of float32 of every channel

  // Channels one after the other: read every score once, in runs of TILE, and look closer only where one is high.
  template <typename Kind>
  EDGE_POSE_INLINE void tiles() {
    using Vector = typename Kind::Vector;
    constexpr std::size_t WIDTH = sizeof(Vector) / sizeof(typename Kind::Value), VECTORS = TILE / WIDTH;
    const auto* data = static_cast<const typename Kind::Value*>(head_.data);
    const auto threshold = Kind::threshold(options_.confidence);
    // Objectness is never below a score that passes, as it must pass, too.
    const std::size_t channels = layout_.objectness ? 1 : layout_.classes;
    std::size_t row = 0;
    for (; row + TILE <= head_.rows; row += TILE) {
      typename Kind::Mask hit[VECTORS] = {};
      for (std::size_t c = 4; c < 4 + channels; ++c) {
        const auto* from = data + c * head_.channel_stride + row;
        for (std::size_t v = 0; v < VECTORS; ++v) {
          Vector scores;
          load(scores, from + v * WIDTH);
          hit[v] |= scores > threshold;
        }
      }
      for (std::size_t v = 0; v < VECTORS; ++v) {
        if (any(hit[v])) look(row + v * WIDTH, hit[v]);
      }
    }
    for (; row < head_.rows; ++row) add(row);
  }

  EDGE_POSE_INLINE void look(std::size_t row, const I16x32& hit) {
    for (std::size_t i = 0; i < 32; ++i) {
      if (hit[i] != 0) add(row + i);
    }
  }

  // The best class of sixteen rows at once, unless each row needs more than that.
  EDGE_POSE_INLINE void look(std::size_t row, const I32x16& hit) {
    F32x16 best = {};
    I32x16 label = {}, bad = {};
    if (!layout_.objectness && !options_.multi_label) {
      const float* from = static_cast<const float*>(head_.data) + 4 * head_.channel_stride + row;
      load(best, from);
      bad = best != best;
      for (std::size_t c = 1; c < layout_.classes; ++c) {
        F32x16 scores;
        load(scores, from + c * head_.channel_stride);
        const I32x16 better = scores > best;
        best = better ? scores : best;
        label = better ? I32x16{} + static_cast<std::int32_t>(c) : label;
        bad |= scores != scores;
      }
    }
    for (std::size_t i = 0; i < 16; ++i) {
      if (hit[i] == 0) continue;
      if (layout_.objectness || options_.multi_label) {
        add(row + i);
      } else if (bad[i] == 0) {
        push(row + i, static_cast<std::size_t>(label[i]), best[i]);
      }
    }
  }

  // Rows one after the other.
  EDGE_POSE_INLINE void rows() {
    const bool single = layout_.objectness || layout_.classes == 1;
    const bool wide = head_.type == ElementType::float32 && !layout_.objectness && layout_.classes >= 16;
    for (std::size_t row = 0; row < head_.rows; ++row) {
      if (single && !(head_value(head_, 4, row) > options_.confidence)) continue;
      if (wide) {
        const float* from = static_cast<const float*>(head_.data) + row * head_.row_stride + 4;
        I32x16 hit = {};
        F32x16 scores;
        for (std::size_t c = 0; c + 16 <= layout_.classes; c += 16) {
          load(scores, from + c);
          hit |= scores > options_.confidence;
        }
        load(scores, from + layout_.classes - 16);  // the last ones, some of them again
        hit |= scores > options_.confidence;
        if (!any(hit)) continue;
      }
      add(row);
    }
  }

  // The row may hold something: look at its classes one by one, in float32 as the network would.
  void add(std::size_t row) {
    const float objectness = layout_.objectness ? head_value(head_, 4, row) : 1.0F;
    if (layout_.objectness && !(objectness > options_.confidence)) return;
    std::size_t best = 0;
    float best_score = objectness * head_value(head_, first_class_, row);
    bool good = best_score == best_score;
    for (std::size_t c = 1; c < layout_.classes; ++c) {
      const float score = objectness * head_value(head_, first_class_ + c, row);
      good &= score == score;
      if (score > best_score) {
        best = c;
        best_score = score;
      }
    }
    if (!good || !(best_score > options_.confidence)) return;  // a row with a NaN is no detection
    if (!options_.multi_label) return push(row, best, best_score);
    for (std::size_t c = 0; c < layout_.classes; ++c) {
      const float score = objectness * head_value(head_, first_class_ + c, row);
      if (score > options_.confidence) push(row, c, score);
    }
  }

  void push(std::size_t row, std::size_t label, float score) {
    if (options_.wanted != nullptr && options_.wanted[label] == 0) return;
    found_.items.push_back({static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(label), score});
    found_.order.push(score);
  }

  const HeadView& head_;
  const HeadLayout& layout_;
  const Suppression& options_;
  Candidates& found_;
  std::size_t first_class_;
};

}  // namespace

void scan_dense_head(const HeadView& head, const HeadLayout& layout, const Suppression& options, Candidates& found) {
  Scan scan(head, layout, options, found);
  with_simd([&]() __attribute__((always_inline)) { scan.run(); });
}

}  // namespace edge_pose
