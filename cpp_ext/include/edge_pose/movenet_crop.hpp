// Where MoveNet looks next: the square around the body it saw last, else the whole frame.
#pragma once

#include <cstddef>

namespace edge_pose {

constexpr std::size_t MOVENET_JOINTS = 17;  // COCO's, in COCO's order

struct MovenetPerson {
  float score;                      // the mean of the joints' scores
  std::size_t seen;                 // joints of at least MIN_SCORE = 0.2
  float box[4];                     // around the joints seen, x1 y1 x2 y2; only where there is one
  double center_x, center_y, side;  // the square, in frame pixels
};

// xy [17][2] frame pixels, scores [17], both borrowed. The square is centred between the hips and holds the torso 1.9
// times over and every joint seen 1.2 times; where the torso is not seen, or the square would exceed the frame or have
// no area, it is the one that just holds the frame. In float32, as its authors compute it. Source: TensorFlow's MoveNet
// tutorial.
MovenetPerson movenet_person(const float* xy, const float* scores, int frame_h, int frame_w);

}  // namespace edge_pose
