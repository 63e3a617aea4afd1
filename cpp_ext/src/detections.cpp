#include "edge_pose/detections.hpp"

#include <algorithm>
#include <cmath>

#include "detections_kept.hpp"
#include "detections_scan.hpp"

namespace edge_pose {

namespace {

float clipped(double value, double limit, bool clip) {
  return static_cast<float>(clip ? std::min(std::max(value, 0.0), limit) : value);
}

// Writes detections in frame pixels.
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

  void add(const Box& box, float score, std::int64_t label, std::size_t row) {
    add_box(box);
    out_.scores.push_back(score);
    out_.classes.push_back(label);
    out_.rows.push_back(static_cast<std::int64_t>(row));
    const double* m = map_.frame_from_input;
    for (std::size_t k = 0; k < layout_.joints; ++k) {
      const std::size_t c = first_joint_ + k * layout_.joint_values;
      const double x = head_value(head_, c, row), y = head_value(head_, c + 1, row);
      out_.joints.push_back(clipped(m[0] * x + m[1] * y + m[2], map_.width, map_.clip_joints));
      out_.joints.push_back(clipped(m[3] * x + m[4] * y + m[5], map_.height, map_.clip_joints));
      out_.joint_scores.push_back(layout_.joint_values > 2 ? head_value(head_, c + 2, row) : 1.0F);
    }
  }

  Detections take() { return std::move(out_); }

 private:
  // The upright box around the mapped corners; under a turned map it is larger than the turned box.
  void add_box(const Box& box) {
    const double* m = map_.frame_from_input;
    const auto span = [&](const double* r, double limit, float& low, float& high) {
      const double xa = r[0] * static_cast<double>(box.x1), xb = r[0] * static_cast<double>(box.x2);
      const double ya = r[1] * static_cast<double>(box.y1), yb = r[1] * static_cast<double>(box.y2);
      low = clipped(std::min(xa, xb) + std::min(ya, yb) + r[2], limit, map_.clip_boxes);
      high = clipped(std::max(xa, xb) + std::max(ya, yb) + r[2], limit, map_.clip_boxes);
    };
    float x1, x2, y1, y2;
    span(m, map_.width, x1, x2);
    span(m + 3, map_.height, y1, y2);
    out_.boxes.insert(out_.boxes.end(), {x1, y1, x2, y2});
  }

  const HeadView& head_;
  const HeadLayout& layout_;
  const FrameMap& map_;
  std::size_t first_joint_;
  Detections out_;
};

bool finite(const Box& b) {
  return std::isfinite(b.x1) && std::isfinite(b.y1) && std::isfinite(b.x2) && std::isfinite(b.y2);
}

}  // namespace

Detections decode_dense_head(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                             const Suppression& options) {
  Candidates found;
  scan_dense_head(head, layout, options, found);
  Writer writer(head, layout, map, (layout.objectness ? 5U : 4U) + layout.classes);
  KeptBoxes kept(options.iou, 0.0F);
  with_simd([&]() __attribute__((always_inline)) {
    std::size_t index, seen = 0;
    while (kept.size() < options.max_detections && seen++ < options.max_candidates && found.order.next(index)) {
      const Candidate& c = found.items[index];
      const float x = head_value(head, 0, c.row), y = head_value(head, 1, c.row);
      const float half_w = head_value(head, 2, c.row) / 2, half_h = head_value(head, 3, c.row) / 2;
      const Box box{x - half_w, y - half_h, x + half_w, y + half_h};
      if (!std::isfinite(c.score) || !finite(box)) continue;
      const auto label = static_cast<std::int32_t>(options.agnostic ? 0 : c.label);
      if (kept.suppress(box, label) || !writer.joints_finite(c.row)) continue;
      kept.keep(box, label);
      writer.add(box, c.score, c.label, c.row);
    }
  });
  return writer.take();
}

Detections decode_finished_rows(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                                const Suppression& options) {
  Candidates found;
  for (std::size_t row = 0; row < head.rows; ++row) {
    const float score = head_value(head, 4, row), label = head_value(head, 5, row);
    if (!(score > options.confidence) || !(label >= 0) || !(label < static_cast<float>(layout.classes))) continue;
    const auto id = static_cast<std::uint32_t>(label);
    if (options.wanted != nullptr && options.wanted[id] == 0) continue;
    found.items.push_back({static_cast<std::uint32_t>(row), id, score});
    found.order.push(score);
  }
  Writer writer(head, layout, map, 6);
  std::size_t index, kept = 0;
  while (kept < options.max_detections && found.order.next(index)) {
    const Candidate& c = found.items[index];
    const Box box{head_value(head, 0, c.row), head_value(head, 1, c.row), head_value(head, 2, c.row),
                  head_value(head, 3, c.row)};
    if (!std::isfinite(c.score) || !finite(box) || !writer.joints_finite(c.row)) continue;
    writer.add(box, c.score, c.label, c.row);
    ++kept;
  }
  return writer.take();
}

}  // namespace edge_pose
