// A small pool of helper threads for loops whose turns are independent.
#pragma once

#include <memory>
#include <type_traits>

namespace edge_pose {

constexpr int MAX_THREADS = 256;

// The number of threads that kernels use when they are asked for 0 of them; 1 at first.
int get_threads() noexcept;
void set_threads(int threads) noexcept;  // clamped to 1..MAX_THREADS

// What an argument `threads` means: 0 is the global number, everything else itself.
inline int resolve_threads(int threads) noexcept { return threads == 0 ? get_threads() : threads; }

namespace detail {
void parallel_run(int tasks, int threads, void (*body)(void*, int), void* context);
}

// Calls body(task) once for every task in [0, tasks), on the calling thread and at most threads - 1 helpers, in no
// particular order, and returns when all have returned. tasks <= 0: nothing. Any number of threads may call at once,
// and body may call parallel_for itself: helpers that are busy elsewhere are not waited for. The first exception that
// body throws is rethrown here after the running tasks have ended; tasks not yet begun are then left out.
// A forked child starts with a pool of its own.
template <typename Body>
void parallel_for(int tasks, int threads, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::parallel_run(
      tasks, threads, [](void* context, int task) { (*static_cast<Plain*>(context))(task); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace edge_pose
