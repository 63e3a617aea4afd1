#include "bytes.hpp"
#include "edge_pose/movenet.hpp"
#include "edge_pose/movenet_crop.hpp"
#include "edge_pose/regression.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  const std::size_t n = in.size(0, 3), k = in.size(1, 5), h = in.size(1, 24), w = in.size(1, 24);
  const auto matrices = in.matrices(n);
  std::vector<float> xy(2 * n * k), scores(n * k);
  const Joints out{xy.data(), scores.data()};
  const auto coords = in.reals(4 * n * k), sigma = in.reals(2 * n * k);
  const auto origin = in.flag() ? Origin::CORNER : Origin::CENTER;
  const bool joined = in.flag();
  decode_regression({coords.data(), joined ? nullptr : sigma.data(), n, k, joined ? 4U : 2U}, matrices.data(), 256, 192,
                    origin, out);
  decode_movenet(coords.data(), n, k, matrices.data(), 192, 192, out);
  MovenetOptions options;
  options.y_first = in.flag();
  options.logits = in.flag();
  options.whole_cells = in.flag();
  options.votes = in.flag();
  options.min_score = static_cast<float>(in.size(0, 10)) / 10.0F;
  const auto cells = in.reals(n * (1 + 5 * k) * h * w);
  const float* at = cells.data();
  auto head = [&](std::size_t channels) {
    const MovenetHead made{at, channels, h * w, 1};
    at += n * channels * h * w;
    return made;
  };
  const auto center = head(1), regression = head(2 * k), heatmaps = head(k), offsets = head(2 * k);
  decode_movenet_heads({center, regression, heatmaps, offsets, n, k, h, w}, matrices.data(), options, out);
  const auto person = in.reals(3 * MOVENET_JOINTS);
  movenet_person(person.data(), person.data() + 2 * MOVENET_JOINTS, static_cast<int>(in.size(1, 4000)),
                 static_cast<int>(in.size(1, 4000)));
}

EDGE_POSE_FUZZ(run)
