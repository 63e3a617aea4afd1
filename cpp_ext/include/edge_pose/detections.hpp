// YOLO heads -> detections in frame pixels, and the box suppression they share.
//
// Nothing here throws across the boundary but std::bad_alloc; sizes are the caller's promise, checked in the binding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edge_pose {

enum class ElementType { float32, float16 };

// Borrowed head output: value of channel c at row r is data[c * channel_stride + r * row_stride], strides in elements.
// A row is one anchor (or one finished detection). One of the two strides is 1.
struct HeadView {
  const void* data;
  ElementType type;
  std::size_t rows, channels;
  std::size_t channel_stride, row_stride;
};

// What a row holds, in channel order.
// Dense heads: x, y, w, h, [objectness], one score a class, then joints. Finished rows: x1, y1, x2, y2, score, class,
// then joints. A joint is (x, y, score) or, with joint_values = 2, (x, y); its score is then 1.
struct HeadLayout {
  std::size_t classes = 1;
  std::size_t joints = 0;
  std::size_t joint_values = 3;
  bool objectness = false;  // YOLOv5: score = objectness * class score, and objectness must pass the threshold too
};

// Where the rows go: frame = frame_from_input (2x3, row-major) * (x, y, 1).
struct FrameMap {
  const double* frame_from_input;
  bool clip_boxes = false;   // boxes are cut at the frame's edges
  bool clip_joints = false;  // joints too
  double height = 0, width = 0;
};

struct Suppression {
  float confidence = 0.25F;              // kept: score strictly greater; >= 0
  float iou = 0.7F;                      // suppressed: overlap strictly greater
  std::size_t max_detections = 300;      // kept at most, the best ones
  std::size_t max_candidates = 30000;    // looked at, at most, the best ones
  bool agnostic = false;                 // boxes of different classes compete too
  bool multi_label = false;              // every class above the threshold is a candidate, not only the best one
  const std::uint8_t* wanted = nullptr;  // per class: 1 = keep; null = all. Tested after the best class is chosen.
};

// n detections, best first; ties keep the lower row (then the lower class).
struct Detections {
  std::vector<float> boxes;           // [n][4] xyxy, frame pixels
  std::vector<float> scores;          // [n]
  std::vector<std::int64_t> classes;  // [n]
  std::vector<float> joints;          // [n][joints][2] frame pixels
  std::vector<float> joint_scores;    // [n][joints]
  std::vector<std::int64_t> rows;     // [n] row of the head output
};

// Threshold, suppress, and only then map what is left to the frame. Overlaps are computed in float32 on boxes moved by
// 7680 pixels a class, as YOLOv5 and YOLOv8 do: that rounds, and who is kept depends on it. A row with any value that
// is not finite is dropped and suppresses nobody.
Detections decode_dense_head(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                             const Suppression& options);

// The rows of a head that needs no suppression (channels = 6 + joints * joint_values); iou, agnostic and multi_label
// are not used.
Detections decode_finished_rows(const HeadView& head, const HeadLayout& layout, const FrameMap& map,
                                const Suppression& options);

// Greedy suppression. boxes [n][4] xyxy, scores [n], classes [n] or null (all compete). offset is added to widths and
// heights: 1 where coordinates are pixel indices, else 0. Kept indices best first; ties keep the lower index. NaN
// scores sort last. Overlap == iou is kept; a box of no area, or with a NaN, overlaps with nobody.
std::vector<std::int64_t> nms(const float* boxes, const float* scores, const std::int64_t* classes, std::size_t n,
                              float iou, float offset, std::size_t max_detections);

}  // namespace edge_pose
