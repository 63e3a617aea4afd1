#include "edge_pose/warp.hpp"
