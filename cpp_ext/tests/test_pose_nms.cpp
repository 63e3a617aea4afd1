// OKS and pose suppression without Python: the corners that sanitizers should see.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "edge_pose/oks.hpp"
#include "edge_pose/parametric_nms.hpp"
#include "edge_pose/simd.hpp"

using namespace edge_pose;

namespace {

struct People {
  std::vector<float> xy, joint_scores, areas, scores, boxes;
  std::vector<double> sigmas;
  std::size_t n, k;

  PosesView view() const { return {xy.data(), joint_scores.data(), areas.data(), n, k}; }
  CandidatesView candidates() const { return {boxes.data(), scores.data(), xy.data(), joint_scores.data(), n, k}; }
};

// n people of k joints, `copies` look-alikes each in a row; exact allocations, so that a read behind them is seen.
People people(std::size_t n, std::size_t k, std::size_t copies) {
  std::mt19937 random(11);
  std::normal_distribution<float> noise(0, 0.2F);
  People p;
  p.n = n;
  p.k = k;
  for (std::size_t i = 0; i < n; ++i) {
    const float left = static_cast<float>(i / copies) * 400;
    for (std::size_t j = 0; j < k; ++j) {
      p.xy.push_back(left + 10 * static_cast<float>(j) + noise(random));
      p.xy.push_back(15 * static_cast<float>(j) + noise(random));
      p.joint_scores.push_back(0.9F - 0.001F * static_cast<float>(i));
    }
    p.areas.push_back(9000);
    p.scores.push_back(0.9F - 0.001F * static_cast<float>(i));
    p.boxes.insert(p.boxes.end(), {left, 0, left + 160, 240});
  }
  p.sigmas.assign(k, 0.08);
  return p;
}

bool every_third(const std::vector<std::int64_t>& kept, std::size_t n) {
  bool good = kept.size() == (n + 2) / 3;
  for (std::size_t i = 0; good && i < kept.size(); ++i) good = kept[i] == static_cast<std::int64_t>(3 * i);
  return good;
}

void look_alikes_go() {
  for (const std::size_t n : {0U, 1U, 2U, 7U, 16U, 33U, 300U}) {
    for (const std::size_t k : {6U, 16U, 17U, 33U}) {
      const People p = people(n, k, 3);
      const OksOptions options{p.sigmas.data()};
      CHECK(every_third(oks_nms(p.view(), p.scores.data(), options, 0.5), n));
      CHECK(every_third(nearby_joints_nms(p.view(), p.scores.data(), 0.05, k / 2, n), n));
      const MergedPoses merged = pose_nms(p.candidates(), {});
      CHECK(every_third(merged.picked, n));
      CHECK(merged.merged.size() == n && merged.offsets.size() == merged.picked.size() + 1);
      CHECK(merged.xy.size() == 2 * k * merged.picked.size() && merged.boxes.size() == 4 * merged.picked.size());
      const Rescored soft = soft_oks_nms(p.view(), p.scores.data(), options, 0.5, 20);
      CHECK(soft.kept.size() == (n < 20 ? n : 20) && soft.scores.size() == soft.kept.size());
      for (std::size_t i = 1; i < soft.scores.size(); ++i) CHECK(soft.scores[i - 1] >= soft.scores[i]);
    }
  }
}

void nan_is_like_nobody() {
  People p = people(6, 17, 6);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  p.xy[34] = nan;     // a joint of the second
  p.scores[2] = nan;  // the score of the third
  p.joint_scores[3 * 17] = nan;
  const OksOptions options{p.sigmas.data()};
  CHECK((oks_nms(p.view(), p.scores.data(), options, 0.5) == std::vector<std::int64_t>{0, 1}));
  CHECK(soft_oks_nms(p.view(), p.scores.data(), options, 0.5, 6).kept.back() == 2);
  const MergedPoses merged = pose_nms(p.candidates(), {});
  CHECK(merged.picked == std::vector<std::int64_t>{0});
  CHECK(merged.merged.size() == 6);
}

void similarity_is_symmetric_and_one_for_oneself() {
  const People p = people(9, 17, 2);
  std::vector<double> oks(81);
  for (const Visibility visibility : {Visibility::all, Visibility::both}) {
    oks_matrix(p.view(), p.view(), {p.sigmas.data(), visibility, 0.1F}, oks.data());
    for (std::size_t i = 0; i < 9; ++i) {
      CHECK(oks[i * 9 + i] == 1.0);
      for (std::size_t j = 0; j < 9; ++j) CHECK(oks[i * 9 + j] == oks[j * 9 + i]);
    }
  }
  oks_matrix(p.view(), p.view(), {p.sigmas.data(), Visibility::candidate, 2.0F}, oks.data());
  for (const double value : oks) CHECK(value == 0.0);
}

void coco_measures_to_the_box_where_nothing_is_labelled() {
  const double dt[4] = {5, 5, 100, 5}, gt[4] = {0, 0, 0, 0}, areas[1] = {100}, boxes[4] = {0, 0, 10, 10};
  const double sigmas[2] = {0.1, 0.1};
  const std::uint8_t labelled[2] = {0, 0};
  double oks = -1;
  coco_oks({dt, gt, labelled, areas, boxes, 1, 1, 2}, sigmas, &oks);
  CHECK(std::abs(oks - 0.5) < 1e-12);  // one joint inside, one far away
}

}  // namespace

int main() {
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    look_alikes_go();
    nan_is_like_nobody();
  }
  similarity_is_symmetric_and_one_for_oneself();
  coco_measures_to_the_box_where_nothing_is_labelled();
  return check_failures();
}
