#include "bytes.hpp"
#include "edge_pose/heatmap.hpp"

using namespace edge_pose;

static void run(fuzz::Bytes& in) {
  const std::size_t n = in.size(0, 3), k = in.size(1, 4), h = in.size(1, 40), w = in.size(1, 40);
  const auto refine = static_cast<Refine>(in.size(0, 6));
  const int blur = static_cast<int>(2 * in.size(0, 9) + 1);
  const auto matrices = in.matrices(n);
  std::vector<float> xy(2 * n * k), scores(n * k);
  if (in.flag()) {
    const auto maps = in.octets(2 * n * k * h * w);
    std::vector<std::uint16_t> halves(n * k * h * w);
    if (!halves.empty()) std::memcpy(halves.data(), maps.data(), maps.size());
    decode_heatmap(HalfMapsView{halves.data(), n, k, h, w}, matrices.data(), refine, blur, {xy.data(), scores.data()});
    return;
  }
  const auto maps = in.reals(n * 3 * k * h * w);
  decode_heatmap(MapsView{maps.data(), n, k, h, w}, matrices.data(), refine, blur, {xy.data(), scores.data()});
  decode_udp_offset(MapsView{maps.data(), n, 3 * k, h, w}, matrices.data(), blur, 0.05, {xy.data(), scores.data()});
}

EDGE_POSE_FUZZ(run)
