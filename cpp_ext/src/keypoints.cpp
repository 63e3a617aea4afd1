#include "edge_pose/keypoints.hpp"
