// YOLO decoding and box suppression without Python: the corners that sanitizers should see.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "edge_pose/detections.hpp"
#include "edge_pose/simd.hpp"

using namespace edge_pose;

namespace {

const double IDENTITY[6] = {1, 0, 0, 0, 1, 0};
const float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

HeadView planar(const std::vector<float>& values, std::size_t channels) {
  const std::size_t rows = values.size() / channels;
  return {values.data(), ElementType::float32, rows, channels, rows, 1};
}

// A head of random boxes around few places; exact allocation, so that a read behind it is seen.
std::vector<float> random_head(std::size_t channels, std::size_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  std::vector<float> values(channels * rows);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t r = 0; r < rows; ++r) values[c * rows + r] = c < 4 ? 10 + 5 * unit(random) : unit(random);
  }
  return values;
}

void sizes_and_layouts_agree() {
  for (const std::size_t rows : {0U, 1U, 15U, 16U, 17U, 511U, 512U, 513U, 1300U}) {
    const std::size_t channels = 4 + 3 + 2 * 3;
    const std::vector<float> values = random_head(channels, rows, 7);
    std::vector<float> turned(values.size());
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t r = 0; r < rows; ++r) turned[r * channels + c] = values[c * rows + r];
    }
    HeadLayout layout;
    layout.classes = 3;
    layout.joints = 2;
    Suppression options;
    options.iou = 0.6F;
    options.multi_label = true;
    const HeadView a = {values.data(), ElementType::float32, rows, channels, rows, 1};
    const HeadView b = {turned.data(), ElementType::float32, rows, channels, 1, channels};
    const Detections first = decode_dense_head(a, layout, {IDENTITY}, options);
    const Detections second = decode_dense_head(b, layout, {IDENTITY}, options);
    CHECK(first.rows == second.rows && first.boxes == second.boxes && first.joints == second.joints);
    CHECK(first.boxes.size() == 4 * first.rows.size() && first.joints.size() == 4 * first.rows.size());
    CHECK((rows == 0) == first.rows.empty());
    for (std::size_t i = 1; i < first.scores.size(); ++i) CHECK(first.scores[i - 1] >= first.scores[i]);
  }
}

void bad_rows_are_dropped() {
  for (std::size_t channel = 0; channel < 8; ++channel) {
    std::vector<float> values = {10, 10, 10, 10, 4, 4, 4, 4, 0.9F, 0.8F, 1, 1, 2, 2, 0.5F, 0.5F};
    values[2 * channel] = NOT_A_NUMBER;
    HeadLayout layout;
    layout.joints = 1;
    const Detections found = decode_dense_head(planar(values, 8), layout, {IDENTITY}, {});
    CHECK(found.rows == std::vector<std::int64_t>{1});
    CHECK(found.joints.size() == 2 && found.joint_scores.size() == 1);
  }
}

void halves_are_read() {
  // 10, 10, 4, 4, 0.5 in IEEE half precision, then a subnormal, infinity and NaN as scores of other rows.
  const std::vector<std::uint16_t> values = {0x4900, 0x4900, 0x4900, 0x4900, 0x4900, 0x4900, 0x4900,
                                             0x4900, 0x4400, 0x4400, 0x4400, 0x4400, 0x4400, 0x4400,
                                             0x4400, 0x4400, 0x3800, 0x0001, 0x7C00, 0x7E00};
  const HeadView head = {values.data(), ElementType::float16, 4, 5, 4, 1};
  Suppression options;
  const Detections found = decode_dense_head(head, {}, {IDENTITY}, options);
  CHECK(found.rows == std::vector<std::int64_t>{0});
  CHECK(found.scores == std::vector<float>{0.5F});
  CHECK((found.boxes == std::vector<float>{8, 8, 12, 12}));
  options.confidence = 0;
  options.agnostic = true;
  CHECK(decode_dense_head(head, {}, {IDENTITY}, options).rows == std::vector<std::int64_t>{0});
}

void finished_rows() {
  const std::vector<float> rows = {0, 0, 4, 4, 0.5F, 0, 0, 0, 4, 4, 0.9F, 1, 0, 0, 4, 4, 0.9F, 7, 0, 0, 4, 4, 0.2F, 0};
  HeadLayout layout;
  layout.classes = 2;
  const HeadView head = {rows.data(), ElementType::float32, 4, 6, 1, 6};
  CHECK((decode_finished_rows(head, layout, {IDENTITY}, {}).rows == std::vector<std::int64_t>{1, 0}));
}

void suppression() {
  CHECK(nms(nullptr, nullptr, nullptr, 0, 0.5F, 0, 10).empty());
  for (const std::size_t n : {1U, 15U, 16U, 17U, 33U, 600U}) {
    std::vector<float> boxes, scores;
    for (std::size_t i = 0; i < n; ++i) {
      const float x = static_cast<float>(10 * i);
      boxes.insert(boxes.end(), {x, 0, x + 5, 5});
      scores.push_back(i % 7 == 3 ? NOT_A_NUMBER : static_cast<float>(i));
    }
    CHECK(nms(boxes.data(), scores.data(), nullptr, n, 0.5F, 0, n).size() == n);  // disjoint
    CHECK(nms(boxes.data(), scores.data(), nullptr, n, 0.5F, 0, 5).size() == (n < 5 ? n : 5));
    for (std::size_t i = 0; i < 4 * n; ++i) boxes[i] = boxes[i % 4];
    const std::vector<std::int64_t> kept = nms(boxes.data(), scores.data(), nullptr, n, 0.5F, 0, n);
    CHECK(kept.size() == 1);  // all the same: the best one
    CHECK(!std::isnan(scores[static_cast<std::size_t>(kept[0])]));
  }
}

}  // namespace

int main() {
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    sizes_and_layouts_agree();
    bad_rows_are_dropped();
    halves_are_read();
    suppression();
  }
  finished_rows();
  return check_failures();
}
