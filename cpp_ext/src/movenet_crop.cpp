#include "edge_pose/movenet_crop.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace edge_pose {
namespace {

constexpr float MIN_SCORE = 0.2F, TORSO_MARGIN = 1.9F, BODY_MARGIN = 1.2F;
constexpr std::size_t SHOULDERS[2] = {5, 6}, HIPS[2] = {11, 12};

bool is_torso(std::size_t joint) {
  return joint == SHOULDERS[0] || joint == SHOULDERS[1] || joint == HIPS[0] || joint == HIPS[1];
}

}  // namespace

MovenetPerson movenet_person(const float* xy, const float* scores, int frame_h, int frame_w) {
  const auto width = static_cast<float>(frame_w), height = static_cast<float>(frame_h);
  MovenetPerson person{};
  person.center_x = frame_w / 2.0;
  person.center_y = frame_h / 2.0;
  person.side = std::max(frame_w, frame_h);

  const float center[2] = {(xy[2 * HIPS[0]] + xy[2 * HIPS[1]]) / 2, (xy[2 * HIPS[0] + 1] + xy[2 * HIPS[1] + 1]) / 2};
  double sum = 0;
  float torso = 0, body = 0;
  for (std::size_t k = 0; k < MOVENET_JOINTS; ++k) {
    const float x = xy[2 * k], y = xy[2 * k + 1];
    const float reach = std::max(std::abs(x - center[0]), std::abs(y - center[1]));
    sum += static_cast<double>(scores[k]);
    if (is_torso(k)) torso = std::max(torso, reach);
    if (!(scores[k] >= MIN_SCORE)) continue;
    body = std::max(body, reach);
    if (person.seen++ == 0) {
      const float at[4] = {x, y, x, y};
      std::copy(std::begin(at), std::end(at), person.box);
    }
    person.box[0] = std::min(person.box[0], x);
    person.box[1] = std::min(person.box[1], y);
    person.box[2] = std::max(person.box[2], x);
    person.box[3] = std::max(person.box[3], y);
  }
  person.score = static_cast<float>(sum / MOVENET_JOINTS);

  const auto either = [&](const std::size_t (&pair)[2]) {
    return scores[pair[0]] > MIN_SCORE || scores[pair[1]] > MIN_SCORE;
  };
  const bool finite = std::isfinite(center[0]) && std::isfinite(center[1]);
  if (!finite || !either(SHOULDERS) || !either(HIPS)) return person;
  const float room = std::max({center[0], width - center[0], center[1], height - center[1]});
  const float half = std::min(std::max(TORSO_MARGIN * torso, BODY_MARGIN * body), room);
  if (!(half > 0 && half <= std::max(width, height) / 2)) return person;  // all joints in one point: no square either
  person.center_x = static_cast<double>(center[0]);
  person.center_y = static_cast<double>(center[1]);
  person.side = static_cast<double>(2 * half);
  return person;
}

}  // namespace edge_pose
