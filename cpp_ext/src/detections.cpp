#include "edge_pose/detections.hpp"

#include <algorithm>
#include <cmath>

#include "detections_kept.hpp"
#include "detections_scan.hpp"

namespace edge_pose {

namespace {

constexpr float CLASS_OFFSET = 7680;  // pixels between classes, as YOLOv5 and YOLOv8 have it

struct Found {
  Box box;  // input pixels
  float score;
  std::uint32_t label, row;
};

float clipped(double value, double limit, bool clip) {
  return static_cast<float>(clip ? std::min(std::max(value, 0.0), limit) : value);
}

bool finite(const Box& b) {
  return std::isfinite(b.x1) && std::isfinite(b.y1) && std::isfinite(b.x2) && std::isfinite(b.y2);
}

// Writes what was found in frame pixels.
class Writer {
 public:
  Writer(const HeadView& head, const HeadLayout& layout, const FrameMap& map, std::size_t first_joint)
      : head_(head), layout_(layout), map_(map), first_joint_(first_joint) {}

  bool joints_finite(std::size_t row) const {
    for (std::size_t c = first_joint_; c < head_.channels; ++c) {
      if (!std::isfinite(head_value(head_, c, row))) return false;
    }
    return true;
  }

  // False where a joint is not finite.
  bool write(const std::vector<Found>& found, Detections& out) const {
    const std::size_t n = found.size(), joints = layout_.joints;
    out.boxes.resize(4 * n);
    out.scores.resize(n);
    out.classes.resize(n);
    out.joints.resize(2 * n * joints);
    out.joint_scores.resize(n * joints);
    out.rows.resize(n);
    bool good = true;
    for (std::size_t i = 0; i < n; ++i) {
      write_box(found[i].box, &out.boxes[4 * i]);
      out.scores[i] = found[i].score;
      out.classes[i] = found[i].label;
      out.rows[i] = found[i].row;
      if (joints == 0) continue;
      float *xy = &out.joints[2 * i * joints], *scores = &out.joint_scores[i * joints];
      const std::size_t at = first_joint_ * head_.channel_stride + found[i].row * head_.row_stride;
      if (head_.type == ElementType::float32) {
        good &= write_joints(static_cast<const float*>(head_.data) + at, [](float v) { return v; }, xy, scores);
      } else {
        good &= write_joints(static_cast<const std::uint16_t*>(head_.data) + at, float_from_half, xy, scores);
      }
    }
    return good;
  }

 private:
  template <typename T, typename ToFloat>
  bool write_joints(const T* from, const ToFloat& to_float, float* xy, float* scores) const {
    const double* m = map_.frame_from_input;
    const std::size_t step = head_.channel_stride;
    double zero = 0;  // a NaN as soon as one value is not finite
    for (std::size_t k = 0; k < layout_.joints; ++k, from += layout_.joint_values * step) {
      const double x = to_float(from[0]), y = to_float(from[step]);
      const float score = layout_.joint_values > 2 ? to_float(from[2 * step]) : 1.0F;
      zero += 0 * x + 0 * y + 0 * static_cast<double>(score);
      xy[2 * k] = clipped(m[0] * x + m[1] * y + m[2], map_.width, map_.clip_joints);
      xy[2 * k + 1] = clipped(m[3] * x + m[4] * y + m[5], map_.height, map_.clip_joints);
      scores[k] = score;
    }
    return zero == 0;
  }

  // The upright box around the mapped corners; under a turned map it is larger than the turned box.
  void write_box(const Box& box, float* to) const {
    const auto span = [&](const double* r, double limit, float& low, float& high) {
      const double xa = r[0] * static_cast<double>(box.x1), xb = r[0] * static_cast<double>(box.x2);
      const double ya = r[1] * static_cast<double>(box.y1), yb = r[1] * static_cast<double>(box.y2);
      low = clipped(std::min(xa, xb) + std::min(ya, yb) + r[2], limit, map_.clip_boxes);
      high = clipped(std::max(xa, xb) + std::max(ya, yb) + r[2], limit, map_.clip_boxes);
    };
    span(map_.frame_from_input, map_.width, to[0], to[2]);
    span(map_.frame_from_input + 3, map_.height, to[1], to[3]);
  }

  const HeadView& head_;
  const HeadLayout& layout_;
  const FrameMap& map_;
  std::size_t first_joint_;
};

}  // namespace

Detections decode_dense_head(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                             const Suppression& options) {
  Candidates candidates;
  scan_dense_head(head, layout, options, candidates);
  const Writer writer(head, layout, map, (layout.objectness ? 5U : 4U) + layout.classes);
  std::vector<Found> found;
  Detections out;
  const auto suppress = [&](bool ask_joints) {
    found.clear();
    KeptBoxes kept(options.iou, 0.0F);
    candidates.order.rewind();
    with_simd([&]() __attribute__((always_inline)) {
      std::size_t index, seen = 0;
      while (found.size() < options.max_detections && seen++ < options.max_candidates && candidates.order.next(index)) {
        const Candidate& c = candidates.items[index];
        const float x = head_value(head, 0, c.row), y = head_value(head, 1, c.row);
        const float half_w = head_value(head, 2, c.row) / 2, half_h = head_value(head, 3, c.row) / 2;
        const Box box{x - half_w, y - half_h, x + half_w, y + half_h};
        if (!std::isfinite(c.score) || !finite(box)) continue;
        const auto label = static_cast<std::int32_t>(options.agnostic ? 0 : c.label);
        // The published decoders move classes apart before they compare; that rounds, and what is kept depends on it.
        const float apart = static_cast<float>(label) * CLASS_OFFSET;
        const Box moved{box.x1 + apart, box.y1 + apart, box.x2 + apart, box.y2 + apart};
        if (kept.suppress(moved, label) || (ask_joints && !writer.joints_finite(c.row))) continue;
        kept.keep(moved, label);
        found.push_back({box, c.score, c.label, c.row});
      }
    });
  };
  suppress(false);
  // Joints are read once, of the winners; only when one is not finite, all is done again with an eye on them.
  if (!writer.write(found, out)) {
    suppress(true);
    writer.write(found, out);
  }
  return out;
}

Detections decode_finished_rows(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                                const Suppression& options) {
  const Writer writer(head, layout, map, 6);
  std::vector<Found> good;
  BestFirst order;
  for (std::uint32_t row = 0; row < head.rows; ++row) {
    const float score = head_value(head, 4, row), label = head_value(head, 5, row);
    if (!(score > options.confidence) || !(label >= 0) || !(label < static_cast<float>(layout.classes))) continue;
    const auto id = static_cast<std::uint32_t>(label);
    if (options.wanted != nullptr && options.wanted[id] == 0) continue;
    const Box box{head_value(head, 0, row), head_value(head, 1, row), head_value(head, 2, row),
                  head_value(head, 3, row)};
    if (!std::isfinite(score) || !finite(box) || !writer.joints_finite(row)) continue;
    good.push_back({box, score, id, row});
    order.push(score);
  }
  std::vector<Found> found;
  for (std::size_t i; found.size() < options.max_detections && order.next(i);) found.push_back(good[i]);
  Detections out;
  writer.write(found, out);
  return out;
}

}  // namespace edge_pose
