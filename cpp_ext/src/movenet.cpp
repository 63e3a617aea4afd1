#include "edge_pose/movenet.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lanes.hpp"

namespace edge_pose {
namespace {

constexpr float SOFTENING = 1.8F;  // keeps the weight of the centre finite at distance 0; Google's constant
constexpr std::size_t BAND = 4;    // rows that are looked through together
constexpr double OWN_VOTE = 1e-6;  // of a joint's cell: its probability may be 0

const float* channel(const MovenetHead& head, std::size_t cells, std::size_t row, std::size_t index) {
  return head.data + row * head.channels * cells + index * head.channel_step;
}

float probability(float value, bool logits) { return logits ? 1.0F / (1.0F + std::exp(-value)) : value; }

// A lower bound of the values whose probability reaches p, a little too low so that rounding cannot hide a candidate.
float value_at(double p, bool logits) {
  if (p <= 0) return -std::numeric_limits<float>::infinity();
  if (!logits) return static_cast<float>(p * (1 - 1e-6));
  if (p >= 1) return 15.0F;  // float32 sigmoids are 1 from 16.6 on
  return static_cast<float>(std::log(p / (1 - p)) - 1e-3 - 1e-6 / (1 - p));
}

// The search for the first greatest of probability / (distance to (y, x) + softening) among cells of at least
// min_score. It starts where the cell should be and goes outwards band by band; a band without a value that could still
// win at the band's own distance, the least there is, is passed over.
class Search {
 public:
  Search(const float* map, std::size_t h, std::size_t w, float y, float x, bool logits, float min_score,
         float softening)
      : map_(map), h_(h), w_(w), y_(y), x_(x), logits_(logits), min_score_(min_score), softening_(softening) {
    const std::size_t near_y = clamped(y, h), near_x = clamped(x, w);
    consider(near_y, near_x);
    const std::size_t bands = (h + BAND - 1) / BAND, first = near_y / BAND;
    look_through(first);
    for (std::size_t away = 1; away < bands; ++away) {
      if (first >= away) look_through(first - away);
      if (first + away < bands) look_through(first + away);
    }
  }

  bool found() const { return weighted_ >= 0; }
  std::size_t cell() const { return cell_; }
  float score() const { return score_; }

 private:
  static std::size_t clamped(float at, std::size_t size) {
    return at > 0 ? static_cast<std::size_t>(std::min(at, static_cast<float>(size - 1))) : 0;
  }

  // The least value that could win at a vertical distance of dy.
  float needed(double dy) const {
    return value_at(static_cast<double>(weighted_) * (dy + static_cast<double>(softening_)), logits_);
  }

  void consider(std::size_t row, std::size_t column) {
    const float score = probability(map_[row * w_ + column], logits_);
    if (!(score >= min_score_)) return;
    const float dy = static_cast<float>(row) - y_, dx = static_cast<float>(column) - x_;
    const float weighted = score / (std::sqrt(dy * dy + dx * dx) + softening_);
    const std::size_t cell = row * w_ + column;
    if (weighted > weighted_ || (weighted == weighted_ && cell < cell_)) {
      weighted_ = weighted;
      score_ = score;
      cell_ = cell;
    }
  }

  void look_through(std::size_t band) {
    const std::size_t begin = band * BAND, end = std::min(begin + BAND, h_);
    const double above = static_cast<double>(begin) - static_cast<double>(y_);
    const double below = static_cast<double>(y_) - static_cast<double>(end - 1);
    float least = needed(std::max({above, below, 0.0}));
    if (!lanes().any_at_least(map_ + begin * w_, (end - begin) * w_, least)) return;
    for (std::size_t row = begin; row < end; ++row) {
      const double dy = std::fabs(static_cast<double>(row) - static_cast<double>(y_));
      least = needed(dy);
      for (std::size_t column = 0; column < w_; ++column) {
        if (!(map_[row * w_ + column] >= least)) continue;
        const float before = weighted_;
        consider(row, column);
        if (weighted_ > before) least = needed(dy);
      }
    }
  }

  const float* map_;
  std::size_t h_, w_;
  float y_, x_;
  bool logits_;
  float min_score_, softening_;
  std::size_t cell_ = 0;
  float weighted_ = -1;  // below any candidate's
  float score_ = 0;
};

// A head's channel as a dense map; gathered into scratch where the channels lie side by side.
const float* dense(const float* from, std::size_t step, std::size_t cells, std::vector<float>& scratch) {
  if (step == 1) return from;
  scratch.resize(cells);
  for (std::size_t i = 0; i < cells; ++i) scratch[i] = from[i * step];
  return scratch.data();
}

double finite_or_zero(float value) { return std::isfinite(value) ? static_cast<double>(value) : 0.0; }

float regressed(float cells, std::size_t from, bool whole_cells) {
  if (!std::isfinite(cells)) cells = 0;
  return static_cast<float>(from) + (whole_cells ? std::trunc(cells + 0.5F) : cells);
}

}  // namespace

void decode_movenet_heads(const MovenetHeads& heads, const double* frame_from_input, const MovenetOptions& options,
                          Joints out) {
  const std::size_t cells = heads.h * heads.w;
  const std::size_t x_at = options.y_first ? 1 : 0;
  std::vector<float> scratch;
  for (std::size_t row = 0; row < heads.n; ++row) {
    const Search person(dense(channel(heads.center, cells, row, 0), heads.center.cell_step, cells, scratch), heads.h,
                        heads.w, static_cast<float>(heads.h / 2), static_cast<float>(heads.w / 2), options.logits, 0.0F,
                        SOFTENING);
    const std::size_t center = person.cell();
    for (std::size_t k = 0; k < heads.k; ++k) {
      const auto pair = [&](const MovenetHead& head, std::size_t which, std::size_t cell) {
        return channel(head, cells, row, 2 * k + which)[cell * head.cell_step];
      };
      const float x = regressed(pair(heads.regression, x_at, center), center % heads.w, options.whole_cells);
      const float y = regressed(pair(heads.regression, 1 - x_at, center), center / heads.w, options.whole_cells);
      const float* map = dense(channel(heads.heatmaps, cells, row, k), heads.heatmaps.cell_step, cells, scratch);
      const Search best(map, heads.h, heads.w, y, x, options.logits, std::max(options.min_score, 0.0F),
                        options.fall_off);
      double at_x = static_cast<double>(x), at_y = static_cast<double>(y);
      if (best.found()) {
        const std::size_t at = best.cell(), reach = options.votes ? 1 : 0;
        const std::size_t top = at / heads.w, left = at % heads.w;
        double total = 0, sum_x = 0, sum_y = 0;
        for (std::size_t r = top - std::min(top, reach); r <= std::min(top + reach, heads.h - 1); ++r) {
          for (std::size_t c = left - std::min(left, reach); c <= std::min(left + reach, heads.w - 1); ++c) {
            const std::size_t cell = r * heads.w + c;
            const auto p = static_cast<double>(to_unit(probability(map[cell], options.logits)));
            const double vote = p * p + (cell == at ? OWN_VOTE : 0);
            total += vote;
            sum_x += vote * (static_cast<double>(c) + finite_or_zero(pair(heads.offsets, x_at, cell)));
            sum_y += vote * (static_cast<double>(r) + finite_or_zero(pair(heads.offsets, 1 - x_at, cell)));
          }
        }
        at_x = sum_x / total;
        at_y = sum_y / total;
      }
      const std::size_t joint = row * heads.k + k;
      out.scores[joint] = to_unit(best.score());
      put_point(frame_from_input + row * 6, at_x * options.stride, at_y * options.stride, out.xy + 2 * joint);
    }
  }
}

}  // namespace edge_pose
