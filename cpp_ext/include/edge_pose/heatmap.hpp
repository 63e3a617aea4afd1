// Joints from heatmaps: the peak of each map, refined to a part of a cell, carried to the frame.
//
// Where a map's greatest value is not positive there is no joint: its score is that value and its place is map cell
// (0, 0) for the HRNet refinements, (-1, -1) for MMPose's and rtmlib's, carried to the frame like any other.
// Scores are raw map values. A refinement that has no finite answer (a flat map, infinities, a speck that the blur
// drowns in negative values) leaves the peak's cell. Not-a-number cells are never peaks; maps are never written to. The
// reference vectors of the original authors pin all.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edge_pose/keypoints.hpp"

namespace edge_pose {

// N x K maps of H x W cells, borrowed, dense; h and w at least 1.
template <typename T>
struct MapsOf {
  const T* data;
  std::size_t n, k, h, w;
};
using MapsView = MapsOf<float>;
using HalfMapsView = MapsOf<std::uint16_t>;  // IEEE half precision; the answers are those of the same values as float

enum class Refine {
  NONE,             // the peak's cell
  NONE_MMPOSE,      // the same, not found = (-1, -1)
  QUARTER,          // HRNet: a quarter cell to the higher neighbour, on both axes or none (not within 1 of a border)
  QUARTER_MMPOSE,   // MMPose: the same, each axis by itself
  DARK,             // Zhang et al. 2020: Taylor step on the blurred log map; rests within 2 cells of the border
  DARK_UDP,         // Huang et al. 2020: the same with tighter differences, borders repeated; may leave the map by 0.5
  DARK_UDP_RTMLIB,  // rtmlib: blurred with mirrored borders and not stretched to the old maximum
};

// blur: size of the Gaussian kernel of the DARK refinements; odd, 1..MAX_BLUR.
void decode_heatmap(const MapsView& maps, const double* frame_from_map, Refine refine, int blur, Joints out);
void decode_heatmap(const HalfMapsView& maps, const double* frame_from_map, Refine refine, int blur, Joints out);

// UDP's combined maps, (heat, x offset, y offset) per joint, maps.k = 3 * joints: the peak of the blurred heat (kernel
// 2 * blur + 1, mirrored border) plus the offsets there, times radius * H cells. Scores are blurred heat values.
// blur: 1..MAX_BLUR / 2. Not found = (-1, -1).
void decode_udp_offset(const MapsView& maps, const double* frame_from_map, int blur, double radius, Joints out);

}  // namespace edge_pose
