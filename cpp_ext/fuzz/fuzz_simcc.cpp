#include "bytes.hpp"
#include "edge_pose/simcc.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  const std::size_t n = in.size(0, 3), k = in.size(1, 4), wx = in.size(1, 200), wy = in.size(1, 200);
  SimccOptions options;
  options.split_ratio = 0.5 + static_cast<double>(in.size(0, 8));
  options.score = static_cast<SimccScore>(in.size(0, 2));
  options.softmax = in.flag();
  options.gain_x = options.gain_y = static_cast<double>(in.size(0, 1000));
  const std::size_t bx = in.size(0, 12), by = in.size(0, 12);
  options.blur_x = bx ? static_cast<int>(2 * bx - 1) : 0;
  options.blur_y = by ? static_cast<int>(2 * by - 1) : 0;
  const auto matrices = in.matrices(n);
  const auto x = in.reals(n * k * wx), y = in.reals(n * k * wy);
  std::vector<float> xy(2 * n * k), scores(n * k);
  decode_simcc({x.data(), y.data(), n, k, wx, wy}, matrices.data(), options, {xy.data(), scores.data()});
}

EDGE_POSE_FUZZ(run)
