#include "edge_pose/pose_nms.hpp"
