// The pool: every task once, many callers at once, callers inside callers, exceptions; and warping on it.
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edge_pose/parallel.hpp"
#include "edge_pose/warp.hpp"

using namespace edge_pose;

namespace {

void test_every_task_runs_once() {
  for (const int tasks : {-1, 0, 1, 2, 7, 1000}) {
    for (const int threads : {1, 2, 3, 16, MAX_THREADS + 5}) {
      std::vector<int> runs(static_cast<std::size_t>(tasks > 0 ? tasks : 0));
      parallel_for(tasks, threads, [&](int task) { ++runs[static_cast<std::size_t>(task)]; });
      for (const int count : runs) CHECK(count == 1);
    }
  }
}

void test_many_callers_and_nesting() {
  std::atomic<int> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c) {
    callers.emplace_back([&] {
      for (int turn = 0; turn < 50; ++turn) {
        int mine[8] = {};
        parallel_for(8, 3, [&](int task) {
          parallel_for(4, 2, [&](int) { sum.fetch_add(1, std::memory_order_relaxed); });
          mine[task] = task;
        });
        for (int task = 0; task < 8; ++task) CHECK(mine[task] == task);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 6 * 50 * 8 * 4);
}

void test_exceptions_come_home() {
  for (int turn = 0; turn < 20; ++turn) {
    bool caught = false;
    try {
      parallel_for(100, 4, [](int task) {
        if (task == 17) throw std::runtime_error("17");
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    CHECK(caught);
  }
  test_every_task_runs_once();
}

void test_the_global_number() {
  CHECK(get_threads() == 1);
  set_threads(0);
  CHECK(get_threads() == 1);
  set_threads(MAX_THREADS + 1);
  CHECK(get_threads() == MAX_THREADS);
  set_threads(2);
  CHECK(resolve_threads(0) == 2 && resolve_threads(5) == 5);
  set_threads(1);
}

void test_callers_share_a_frame() {
  std::vector<std::uint8_t> picture(300 * 200 * 3 / 2);
  for (std::size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<std::uint8_t>(i * 2654435761U >> 13);
  const Frame frame{picture.data(), 300, 200, 300, PixelFormat::nv12, picture.data() + 200 * 300, 300};
  const Color color{{1, 1, 1}, {0, 0, 0}, true};
  const double crops[] = {1.3, 0, 20, 0, 1.3, -5, 1.1, 0.2, 9, -0.2, 1.1, 30, 0.4, 0, 250, 0, 0.4, 150};
  const auto run = [&](int threads) {
    std::vector<float> out((3 + 1) * 3 * 96 * 72);
    letterbox(frame, {out.data(), Element::f32, true, 1, 96, 72}, 48, 72, 24, 0, 114, color, threads);
    warp_affine(frame, crops, {out.data() + 3 * 96 * 72, Element::f32, true, 3, 96, 72}, 0.0, 0, color, threads);
    return out;
  };
  const std::vector<float> expected = run(1);
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&, c] {
      for (int turn = 0; turn < 10; ++turn) CHECK(run(1 + c) == expected);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace

int main() {
  test_the_global_number();
  test_every_task_runs_once();
  test_many_callers_and_nesting();
  test_exceptions_come_home();
  test_callers_share_a_frame();
  return check_failures() == 0 ? 0 : 1;
}
