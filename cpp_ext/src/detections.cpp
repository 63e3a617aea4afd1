#include "edge_pose/detections.hpp"
