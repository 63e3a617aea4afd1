// The keypoint decoders on buffers of exactly their size, so that a sanitizer sees any step outside.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "../src/half.hpp"
#include "../src/lanes.hpp"
#include "check.hpp"
#include "edge_pose/gaussian.hpp"
#include "edge_pose/heatmap.hpp"
#include "edge_pose/movenet.hpp"
#include "edge_pose/movenet_crop.hpp"
#include "edge_pose/regression.hpp"
#include "edge_pose/simcc.hpp"
#include "edge_pose/simd.hpp"

namespace {

using namespace edge_pose;

constexpr double IDENTITY[6] = {1, 0, 0, 0, 1, 0};
constexpr float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();
constexpr float INFINITE = std::numeric_limits<float>::infinity();
// Halves for ties: NaN of both signs, -infinity, zeros of both signs, subnormals; at best 0, positive, negative.
constexpr std::uint16_t HALVES[3][8] = {{0x7E00, 0xFE00, 0xFC00, 0xBC00, 0x8000, 0x0000, 0x8001, 0x83FF},
                                        {0x7E00, 0x3C00, 0x3800, 0x0001, 0xBC00, 0x8000, 0x0000, 0x3BFF},
                                        {0x7E00, 0xFE00, 0xFC00, 0xBC00, 0xB800, 0xBC01, 0xA400, 0xFBFF}};
constexpr Refine REFINES[] = {Refine::NONE, Refine::NONE_MMPOSE, Refine::QUARTER,        Refine::QUARTER_MMPOSE,
                              Refine::DARK, Refine::DARK_UDP,    Refine::DARK_UDP_RTMLIB};

// A small generator, the same on every machine.
struct Random {
  std::uint32_t state;
  std::uint32_t next() { return state = state * 1664525U + 1013904223U; }
  float value() { return static_cast<float>(next() >> 8) / 16777216.0F; }
};

struct Result {
  std::vector<float> xy, scores;
  Result(std::size_t n, std::size_t k) : xy(n * k * 2), scores(n * k) {}
  Joints view() { return {xy.data(), scores.data()}; }
};

std::vector<double> identities(std::size_t n) {
  std::vector<double> all;
  for (std::size_t i = 0; i < n; ++i) all.insert(all.end(), IDENTITY, IDENTITY + 6);
  return all;
}

Peak plain_peak(const std::vector<float>& values) {
  Peak peak{-INFINITE, 0};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > peak.value) peak = {values[i], i};
  }
  return peak.value == -INFINITE ? Peak{0, 0} : peak;
}

void test_peaks_of_all_lengths_at_all_levels() {
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    Random random{1};
    for (std::size_t n = 0; n < 700; ++n) {
      std::vector<float> values(n);
      for (float& v : values) v = random.next() % 50 == 0 ? NOT_A_NUMBER : std::floor(random.value() * 8) - 7;  // ties
      const Peak got = find_peak(values.data(), n), wanted = plain_peak(values);
      CHECK(got.index == wanted.index && got.value == wanted.value);
      std::vector<std::uint16_t> halves(n);
      for (std::uint16_t& half : halves) half = HALVES[n % 3][random.next() >> 8 & 7];
      for (std::size_t i = 0; i < n; ++i) values[i] = float_from_half(halves[i]);
      const Peak half_got = find_peak(halves.data(), n), half_wanted = plain_peak(values);
      CHECK(half_got.index == half_wanted.index && half_got.value == half_wanted.value);
    }
    for (const float rest : {NOT_A_NUMBER, -INFINITE}) {
      std::vector<float> values(300, rest);
      CHECK(find_peak(values.data(), 300).index == 0 && find_peak(values.data(), 300).value == 0);
      values[299] = -3;
      CHECK(find_peak(values.data(), 300).index == 299 && find_peak(values.data(), 300).value == -3);
    }
  }
  set_simd_level(simd_best());
}

// Blurred maps and softmax scores of one level must be those of any other, to the last bit.
void test_all_levels_give_the_same_bits() {
  Random random{4};
  std::vector<float> map(37 * 53), x(37 * 53);
  for (float& v : map) v = random.value() - 0.5F;
  for (float& v : x) v = 8 * random.value();
  std::vector<float> first;
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    std::vector<float> all, blurred(map.size()), scratch;
    for (const bool column : {false, true}) {
      for (const Border border : {Border::ZERO, Border::REFLECT}) {
        blur_map(map.data(), 37, 53, GaussianKernel(23), border, blurred.data(), scratch, column);
        all.insert(all.end(), blurred.begin(), blurred.end());
      }
    }
    Result result(1, 53);
    SimccOptions options;
    options.softmax = true;
    options.gain_x = 3;
    decode_simcc({x.data(), x.data(), 1, 53, 37, 37}, IDENTITY, options, result.view());
    all.insert(all.end(), result.scores.begin(), result.scores.end());
    if (first.empty()) first = all;
    CHECK(all == first);
  }
  set_simd_level(simd_best());
}

void test_patches_are_pieces_of_the_whole_blurred_map() {
  Random random{2};
  for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {2, 9}, {13, 4}, {20, 30}}) {
    std::vector<float> map(static_cast<std::size_t>(h * w)), blurred(map.size()), scratch;
    for (float& v : map) v = random.value();
    for (const int size : {1, 3, 11, 17, 127}) {
      const GaussianKernel kernel(size);
      for (const Border border : {Border::ZERO, Border::REFLECT}) {
        blur_map(map.data(), h, w, kernel, border, blurred.data(), scratch);
        for (int y = 0; y < h; ++y) {
          for (int x = 0; x < w; ++x) {
            Patch patch;
            blur_patch(map.data(), h, w, x, y, kernel, border, patch);
            for (int dy = -2; dy <= 2; ++dy) {
              for (int dx = -2; dx <= 2; ++dx) {
                if (x + dx < 0 || x + dx >= w || y + dy < 0 || y + dy >= h) continue;
                const float whole = blurred[static_cast<std::size_t>((y + dy) * w + x + dx)];
                CHECK(std::fabs(patch.at(dx, dy) - whole) < 1e-5F);
              }
            }
          }
        }
      }
    }
  }
}

void test_peaks_anywhere_on_small_maps_are_refined_inside_the_buffer() {
  for (const auto& [h, w] : {std::pair<int, int>{1, 1}, {1, 7}, {3, 2}, {6, 5}}) {
    const auto cells = static_cast<std::size_t>(h * w);
    for (std::size_t at = 0; at < cells; ++at) {
      for (const Refine refine : REFINES) {
        for (const float rest : {0.0F, 0.5F, -1.0F, NOT_A_NUMBER, INFINITE}) {
          std::vector<float> map(cells, rest);
          map[at] = 1;
          Result result(1, 1);
          decode_heatmap(MapsView{map.data(), 1, 1, static_cast<std::size_t>(h), static_cast<std::size_t>(w)}, IDENTITY,
                         refine, 11, result.view());
          CHECK(std::isfinite(result.xy[0]) && std::isfinite(result.xy[1]));
          if (rest <= 0.5F && refine != Refine::DARK_UDP && refine != Refine::DARK_UDP_RTMLIB) {
            CHECK(std::fabs(result.xy[0] - static_cast<float>(at % static_cast<std::size_t>(w))) <= 1);
            CHECK(result.scores[0] == 1);
          }
        }
      }
    }
  }
}

void test_halves_give_what_their_values_give() {
  Random random{5};
  std::vector<std::uint16_t> halves(1 << 16);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(halves.size());
  for (const Simd level : {Simd::scalar, Simd::neon, Simd::avx2, Simd::avx512}) {
    if (!set_simd_level(level)) continue;
    lanes().widen(halves.data(), halves.size(), floats.data());
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const float wanted = float_from_half(halves[i]);
      CHECK(std::memcmp(&floats[i], &wanted, sizeof wanted) == 0);
    }
  }
  set_simd_level(simd_best());
  std::vector<std::uint16_t> maps(2 * 9 * 11);
  for (std::uint16_t& half : maps) half = static_cast<std::uint16_t>(0x2000 + (random.next() >> 20));
  std::vector<float> wide(maps.size());
  for (std::size_t i = 0; i < maps.size(); ++i) wide[i] = float_from_half(maps[i]);
  const std::vector<double> matrices = identities(2);
  for (const Refine refine : REFINES) {
    Result a(2, 1), b(2, 1);
    decode_heatmap(HalfMapsView{maps.data(), 2, 1, 9, 11}, matrices.data(), refine, 5, a.view());
    decode_heatmap(MapsView{wide.data(), 2, 1, 9, 11}, matrices.data(), refine, 5, b.view());
    CHECK(a.xy == b.xy && a.scores == b.scores && a.scores[0] > 0);
  }
}

void test_nothing_is_not_found() {
  const std::vector<float> map(48, -0.5F);
  for (const Refine refine : REFINES) {
    Result result(1, 1);
    decode_heatmap(MapsView{map.data(), 1, 1, 8, 6}, IDENTITY, refine, 3, result.view());
    const float missing = refine == Refine::NONE || refine == Refine::QUARTER ? 0.0F : -1.0F;
    CHECK(result.xy[0] == missing && result.xy[1] == missing && result.scores[0] == -0.5F);
  }
  Result result(2, 0);
  decode_heatmap(MapsView{nullptr, 0, 17, 8, 6}, nullptr, Refine::DARK, 3, result.view());
  decode_udp_offset({nullptr, 0, 51, 8, 6}, nullptr, 3, 0.1, result.view());
  decode_simcc({nullptr, nullptr, 0, 17, 8, 6}, nullptr, {}, result.view());
  decode_movenet(nullptr, 0, 17, nullptr, 192, 192, result.view());
}

void test_udp_offsets() {
  constexpr std::size_t H = 10, W = 12, AT = 4 * W + 5;
  std::vector<float> maps(3 * H * W, 0.0F);
  maps[AT] = 1;             // heat
  maps[H * W + AT] = 0.5F;  // x offset
  maps[2 * H * W + AT] = NOT_A_NUMBER;
  Result result(1, 1);
  decode_udp_offset({maps.data(), 1, 3, H, W}, IDENTITY, 2, 0.25, result.view());
  CHECK(std::fabs(result.xy[0] - (5 + 0.5F * 0.25F * 10)) < 1e-6F && result.xy[1] == 4);
}

void test_simcc() {
  std::vector<float> x(37, 0.0F), y(5, 0.0F);
  x[36] = 0.5F;
  y[0] = 0.25F;
  Result result(1, 1);
  SimccOptions options;
  decode_simcc({x.data(), y.data(), 1, 1, 37, 5}, IDENTITY, options, result.view());
  CHECK(result.xy[0] == 18 && result.xy[1] == 0 && result.scores[0] == 0.25F);
  options.blur_x = 29;
  options.blur_y = 127;
  options.softmax = true;
  decode_simcc({x.data(), y.data(), 1, 1, 37, 5}, IDENTITY, options, result.view());
  CHECK(std::isfinite(result.xy[0]) && std::isfinite(result.xy[1]) && result.scores[0] > 0 && result.scores[0] < 1);
}

void test_movenet_heads_of_both_layouts_agree() {
  constexpr std::size_t N = 2, K = 3, H = 7, W = 5, CELLS = H * W;
  Random random{3};
  std::vector<float> heads[4];
  const std::size_t channels[4] = {1, 2 * K, K, 2 * K};
  for (int i = 0; i < 4; ++i) {
    heads[i].resize(N * channels[i] * CELLS);
    for (float& v : heads[i]) v = 6 * random.value() - 3;
  }
  heads[1][7] = NOT_A_NUMBER;
  std::vector<float> last[4];
  MovenetHead first_views[4], last_views[4];
  for (int i = 0; i < 4; ++i) {
    const std::size_t count = channels[i];
    last[i].resize(heads[i].size());
    for (std::size_t n = 0; n < N; ++n) {
      for (std::size_t c = 0; c < count; ++c) {
        for (std::size_t cell = 0; cell < CELLS; ++cell) {
          last[i][(n * CELLS + cell) * count + c] = heads[i][(n * count + c) * CELLS + cell];
        }
      }
    }
    first_views[i] = {heads[i].data(), count, CELLS, 1};
    last_views[i] = {last[i].data(), count, 1, count};
  }
  const std::vector<double> matrices = identities(N);
  for (const bool whole : {false, true}) {
    MovenetOptions options;
    options.whole_cells = options.votes = whole;
    Result a(N, K), b(N, K);
    decode_movenet_heads({first_views[0], first_views[1], first_views[2], first_views[3], N, K, H, W}, matrices.data(),
                         options, a.view());
    decode_movenet_heads({last_views[0], last_views[1], last_views[2], last_views[3], N, K, H, W}, matrices.data(),
                         options, b.view());
    CHECK(a.xy == b.xy && a.scores == b.scores);
    for (const float score : a.scores) CHECK(score > 0 && score < 1);
  }
}

void test_coordinates() {
  const std::vector<float> joints = {0.25F, 0.5F, 0.2F, 0.4F, NOT_A_NUMBER, 0.5F, 0.2F, 0.4F};
  Result result(1, 2);
  decode_regression({joints.data(), nullptr, 1, 2, 4}, IDENTITY, 200, 100, Origin::CORNER, result.view());
  CHECK(result.xy[0] == 25 && result.xy[1] == 100 && std::fabs(result.scores[0] - 0.7F) < 1e-6F);
  CHECK(result.xy[2] == 50 && result.xy[3] == 100 && result.scores[1] == 0);
  const std::vector<float> absurd = {3e38F, -3e38F};
  decode_regression({absurd.data(), nullptr, 1, 1, 2}, IDENTITY, 200, 100, Origin::CORNER, result.view());
  CHECK(std::isfinite(result.xy[0]) && std::isfinite(result.xy[1]));
}

void test_the_next_square() {
  std::vector<float> xy(2 * MOVENET_JOINTS, 100.0F), scores(MOVENET_JOINTS, 0.5F);
  xy[0] = 150;  // a nose 50 px from hips at (100, 100): 2 * 1.2 * 50
  const MovenetPerson person = movenet_person(xy.data(), scores.data(), 480, 640);
  CHECK(person.side == static_cast<double>(2 * (1.2F * 50)) && person.center_x == 100 && person.center_y == 100);
  CHECK(person.seen == MOVENET_JOINTS && person.score == 0.5F && person.box[0] == 100 && person.box[2] == 150);
  std::fill(scores.begin(), scores.end(), NOT_A_NUMBER);
  const MovenetPerson nobody = movenet_person(xy.data(), scores.data(), 480, 640);
  CHECK(nobody.seen == 0 && nobody.side == 640 && nobody.center_x == 320 && nobody.center_y == 240);
  std::fill(scores.begin(), scores.end(), 0.5F);
  std::fill(xy.begin(), xy.end(), NOT_A_NUMBER);
  CHECK(movenet_person(xy.data(), scores.data(), 480, 640).side == 640);
  std::fill(xy.begin(), xy.end(), 100.0F);  // all in one place
  CHECK(movenet_person(xy.data(), scores.data(), 480, 640).side == 640);
}

}  // namespace

int main() {
  test_peaks_of_all_lengths_at_all_levels();
  test_all_levels_give_the_same_bits();
  test_patches_are_pieces_of_the_whole_blurred_map();
  test_peaks_anywhere_on_small_maps_are_refined_inside_the_buffer();
  test_halves_give_what_their_values_give();
  test_nothing_is_not_found();
  test_udp_offsets();
  test_simcc();
  test_movenet_heads_of_both_layouts_agree();
  test_coordinates();
  test_the_next_square();
  return check_failures();
}
