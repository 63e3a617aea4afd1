#include "edge_pose/detections.hpp"

#include <pybind11/stl.h>

#include <optional>

#include "common.hpp"

namespace edge_pose::bindings {

namespace {

using FrameHw = std::optional<std::pair<double, double>>;
using Classes = std::optional<std::vector<std::int64_t>>;

constexpr ssize_t MOST = 1 << 24;  // classes, keypoints: so that no product of them overflows

[[noreturn]] void refuse(const std::string& message) { raise("ShapeError", message); }

// A view of pred, (channels, rows) or, transposed, (rows, channels); float32 or float16, C-contiguous.
HeadView head_view(const py::array& pred, bool transposed) {
  const bool half = pred.dtype().kind() == 'f' && pred.dtype().itemsize() == 2;
  if (pred.ndim() != 2 || !(half || py::isinstance<py::array_t<float>>(pred))) {
    refuse("pred must be float32 or float16 of shape (channels, anchors), got " +
           py::str(pred.dtype()).cast<std::string>() + " of shape " + shape_text(shape_of(pred)));
  }
  if ((pred.flags() & py::array::c_style) == 0) {
    refuse("pred must be C-contiguous; pass numpy.ascontiguousarray(pred), or transposed=True for the other layout");
  }
  const auto first = static_cast<std::size_t>(pred.shape(0)), second = static_cast<std::size_t>(pred.shape(1));
  HeadView head{pred.data(), half ? ElementType::float16 : ElementType::float32, second, first, second, 1};
  if (transposed) head = {pred.data(), head.type, first, second, 1, second};
  if (head.rows >= (1ULL << 32)) refuse("pred must have less than 2^32 anchors");
  return head;
}

FrameMap frame_map(const py::array& matrix, const FrameHw& hw, bool clip_joints) {
  check<double>(matrix, "frame_from_input", {2, 3});
  FrameMap map{static_cast<const double*>(matrix.data())};
  if (clip_joints && !hw) refuse("clip_keypoints=True needs frame_hw, got None");
  if (hw) {
    map.clip_boxes = true;
    map.clip_joints = clip_joints;
    map.height = hw->first;
    map.width = hw->second;
    if (!(map.height >= 0 && map.width >= 0)) refuse("frame_hw must not be negative");
  }
  return map;
}

HeadLayout head_layout(const HeadView& head, ssize_t classes, ssize_t keypoints, ssize_t values, ssize_t first,
                       bool objectness) {
  if (classes < 1 || classes > MOST) refuse("classes must be at least 1, got " + std::to_string(classes));
  if (keypoints < 0 || keypoints > MOST) refuse("keypoints must not be negative, got " + std::to_string(keypoints));
  if (values != 2 && values != 3) {
    refuse("keypoint_values must be 2 (x, y) or 3 (x, y, score), got " + std::to_string(values));
  }
  const std::size_t wanted = static_cast<std::size_t>(first + keypoints * values);
  if (head.channels != wanted) {
    refuse("pred must have " + std::to_string(wanted) + " channels for classes=" + std::to_string(classes) +
           " and keypoints=" + std::to_string(keypoints) + ", got " + std::to_string(head.channels) +
           "; is it (anchors, channels)? pass transposed=True");
  }
  return {static_cast<std::size_t>(classes), static_cast<std::size_t>(keypoints), static_cast<std::size_t>(values),
          objectness};
}

// 1 for each class that is wanted; empty where all are.
std::vector<std::uint8_t> wanted_classes(const Classes& keep, std::size_t classes) {
  std::vector<std::uint8_t> wanted;
  if (!keep) return wanted;
  wanted.resize(classes, 0);
  for (const std::int64_t c : *keep) {
    if (c < 0 || static_cast<std::size_t>(c) >= classes) {
      refuse("keep_classes must lie in 0.." + std::to_string(classes - 1) + ", got " + std::to_string(c));
    }
    wanted[static_cast<std::size_t>(c)] = 1;
  }
  return wanted;
}

std::size_t count(ssize_t value, const char* name) {
  if (value < 0) refuse(std::string(name) + " must not be negative, got " + std::to_string(value));
  return static_cast<std::size_t>(value);
}

void check_thresholds(float conf, float iou) {
  if (!(conf >= 0 && conf <= 1)) refuse("conf must lie in 0..1, got " + std::to_string(conf));
  if (!(iou >= 0 && iou <= 1)) refuse("iou must lie in 0..1, got " + std::to_string(iou));
}

py::tuple arrays(Detections&& d, std::size_t joints) {
  const auto n = static_cast<ssize_t>(d.scores.size()), k = static_cast<ssize_t>(joints);
  return py::make_tuple(owned(std::move(d.boxes), {n, 4}), owned(std::move(d.scores), {n}),
                        owned(std::move(d.classes), {n}), owned(std::move(d.joints), {n, k, 2}),
                        owned(std::move(d.joint_scores), {n, k}), owned(std::move(d.rows), {n}));
}

py::tuple decode_yolo(const py::array& pred, const py::array& frame_from_input, const FrameHw& frame_hw,
                      ssize_t classes, ssize_t keypoints, ssize_t keypoint_values, float conf, float iou,
                      ssize_t max_det, ssize_t max_candidates, bool objectness, bool agnostic, bool multi_label,
                      const Classes& keep_classes, bool transposed, bool clip_keypoints) {
  const HeadView head = head_view(pred, transposed);
  const HeadLayout layout =
      head_layout(head, classes, keypoints, keypoint_values, (objectness ? 5 : 4) + classes, objectness);
  const FrameMap map = frame_map(frame_from_input, frame_hw, clip_keypoints);
  check_thresholds(conf, iou);
  const std::vector<std::uint8_t> wanted = wanted_classes(keep_classes, layout.classes);
  const Suppression options{conf,
                            iou,
                            count(max_det, "max_det"),
                            count(max_candidates, "max_candidates"),
                            agnostic,
                            multi_label,
                            wanted.empty() ? nullptr : wanted.data()};
  Detections found;
  {
    py::gil_scoped_release release;
    found = decode_dense_head(head, layout, map, options);
  }
  return arrays(std::move(found), layout.joints);
}

py::tuple decode_end2end(const py::array& pred, const py::array& frame_from_input, const FrameHw& frame_hw,
                         ssize_t classes, ssize_t keypoints, ssize_t keypoint_values, float conf, ssize_t max_det,
                         const Classes& keep_classes, bool clip_keypoints) {
  const HeadView head = head_view(pred, true);
  const HeadLayout layout = head_layout(head, classes, keypoints, keypoint_values, 6, false);
  const FrameMap map = frame_map(frame_from_input, frame_hw, clip_keypoints);
  check_thresholds(conf, 0);
  const std::vector<std::uint8_t> wanted = wanted_classes(keep_classes, layout.classes);
  Suppression options;
  options.confidence = conf;
  options.max_detections = count(max_det, "max_det");
  options.wanted = wanted.empty() ? nullptr : wanted.data();
  Detections found;
  {
    py::gil_scoped_release release;
    found = decode_finished_rows(head, layout, map, options);
  }
  return arrays(std::move(found), layout.joints);
}

py::array_t<std::int64_t> box_nms(const py::array& boxes, const py::array& scores, float iou, float offset,
                                  const std::optional<py::array>& classes, const std::optional<ssize_t>& max_det) {
  check<float>(boxes, "boxes", {ANY, 4});
  const ssize_t n = boxes.shape(0);
  check<float>(scores, "scores", {n});
  if (classes) check<std::int64_t>(*classes, "classes", {n});
  check_thresholds(0, iou);
  if (offset != 0 && offset != 1) refuse("offset must be 0 or 1 pixel, got " + std::to_string(offset));
  const auto* ids = classes ? static_cast<const std::int64_t*>(classes->data()) : nullptr;
  const std::size_t most = max_det ? count(*max_det, "max_det") : static_cast<std::size_t>(n);
  std::vector<std::int64_t> kept;
  {
    py::gil_scoped_release release;
    kept = nms(static_cast<const float*>(boxes.data()), static_cast<const float*>(scores.data()), ids,
               static_cast<std::size_t>(n), iou, offset, most);
  }
  const auto found = static_cast<ssize_t>(kept.size());
  return owned(std::move(kept), {found});
}

constexpr const char* DECODE_YOLO =
    R"(Detections of one image from a dense YOLO head, in frame pixels: scan, threshold, NMS, map what is left.

pred: (C, A) float32 or float16, C = 4 + classes + keypoints * keypoint_values channels (one more for objectness),
A anchors; (A, C) with transposed=True. Rows are x, y, w, h in input pixels, [objectness], class scores, and x, y,
score a keypoint (x, y alone with keypoint_values=2; their scores are then 1). frame_from_input: (2, 3) float64.
frame_hw: boxes are clipped to it, keypoints too with clip_keypoints; None clips nothing.
A row is a candidate when its score is > conf, and suppressed when its IoU with a better one of its class is > iou
(of any class: agnostic). multi_label: each class > conf is a candidate. keep_classes: class ids to keep, None for all.
max_candidates: only so many of the best are looked at. Rows with a value that is not finite are dropped.
Returns, best first (ties: lower anchor): boxes (n, 4) xyxy, scores (n,), classes (n,) int64, keypoints (n, K, 2),
keypoint scores (n, K), anchors (n,) int64; nobody is n = 0. Raises ShapeError.
Source: Jocher et al., YOLOv5/YOLOv8 outputs; pinned by tests/golden/yolo_nms and yolov5_nms.)";

constexpr const char* DECODE_END2END =
    R"(Detections of one image from a head that needs no NMS (YOLO26, YOLOv10), in frame pixels.

pred: (R, 6 + K * keypoint_values) float32 or float16 rows x1, y1, x2, y2, score, class, then keypoints.
Arguments and results as decode_yolo; the anchors are the rows. Raises ShapeError.)";

constexpr const char* NMS =
    R"(Greedy box suppression: the rows that stay, best first, (m,) int64.

boxes: (N, 4) float32 xyxy; scores: (N,) float32; classes: (N,) int64, boxes of different classes do not compete;
N may be 0. A box goes when its IoU with a better one that stays is > iou. offset=1 counts pixels (x2 - x1 + 1), as
Fast R-CNN did. Ties keep the lower row, NaN scores sort last, a box with a NaN or without area overlaps with nobody.
Raises ShapeError. Pinned by tests/golden/nms_box_oks.)";

}  // namespace

void bind_detections(py::module_& m) {
  using namespace pybind11::literals;
  m.def("decode_yolo", &decode_yolo, "pred"_a.noconvert(), "frame_from_input"_a.noconvert(), "frame_hw"_a = py::none(),
        py::kw_only(), "classes"_a = 1, "keypoints"_a = 0, "keypoint_values"_a = 3, "conf"_a = 0.25F, "iou"_a = 0.7F,
        "max_det"_a = 300, "max_candidates"_a = 30000, "objectness"_a = false, "agnostic"_a = false,
        "multi_label"_a = false, "keep_classes"_a = py::none(), "transposed"_a = false, "clip_keypoints"_a = false,
        DECODE_YOLO);
  m.def("decode_end2end", &decode_end2end, "pred"_a.noconvert(), "frame_from_input"_a.noconvert(),
        "frame_hw"_a = py::none(), py::kw_only(), "classes"_a = 1, "keypoints"_a = 0, "keypoint_values"_a = 3,
        "conf"_a = 0.25F, "max_det"_a = 300, "keep_classes"_a = py::none(), "clip_keypoints"_a = false, DECODE_END2END);
  m.def("nms", &box_nms, "boxes"_a.noconvert(), "scores"_a.noconvert(), py::kw_only(), "iou"_a, "offset"_a = 0.0F,
        "classes"_a = py::none(), "max_det"_a = py::none(), NMS);
}

}  // namespace edge_pose::bindings
