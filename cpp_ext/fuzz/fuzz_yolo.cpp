#include "bytes.hpp"
#include "edge_pose/detections.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  HeadLayout layout;
  layout.classes = in.size(1, 4);
  layout.joints = in.size(0, 3);
  layout.joint_values = in.size(2, 3);
  layout.objectness = in.flag();
  Suppression options;
  options.confidence = static_cast<float>(in.size(0, 20)) / 20.0F;
  options.iou = static_cast<float>(in.size(0, 20)) / 20.0F;
  options.max_detections = in.size(0, 40);
  options.max_candidates = in.size(1, 200);
  options.agnostic = in.flag();
  options.multi_label = in.flag();
  const auto wanted = in.octets(layout.classes);
  if (in.flag()) options.wanted = wanted.data();
  const auto matrix = in.matrices(1);
  const FrameMap map{matrix.data(), in.flag(), in.flag(), 480, 640};
  const std::size_t rows = in.size(0, 120);
  const bool by_row = in.flag(), half = in.flag();
  const std::size_t finished = 6 + layout.joint_values * layout.joints;
  const std::size_t channels = 4 + layout.objectness + layout.classes + layout.joint_values * layout.joints;
  const std::size_t most = rows * (finished > channels ? finished : channels);
  const auto values = in.reals(most);
  const void* data = values.data();
  const auto type = half ? ElementType::float16 : ElementType::float32;
  const HeadView head{data, type, rows, channels, by_row ? 1 : rows, by_row ? channels : 1};
  decode_dense_head(head, layout, map, options);
  decode_finished_rows({data, type, rows, finished, 1, finished}, layout, map, options);
}

EDGE_POSE_FUZZ(run)
