#include "edge_pose/simd.hpp"

#include <atomic>
#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace edge_pose {
namespace {

#if defined(__x86_64__)
// Not every compiler's __builtin_cpu_supports knows the name.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

std::atomic<int> chosen{-1};  // -1: nobody chose

bool runs_here(Simd level) noexcept {
  switch (level) {
    case Simd::scalar:
      return true;
    case Simd::neon:
#if defined(__aarch64__)
      return true;
#else
      return false;
#endif
#if defined(__x86_64__)
    case Simd::avx2:
      return __builtin_cpu_supports("avx2") && has_f16c();
    case Simd::avx512:
      return runs_here(Simd::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi");
#else
    case Simd::avx2:
    case Simd::avx512:
      return false;
#endif
  }
  return false;
}

}  // namespace

Simd simd_best() noexcept {
  static const Simd best = [] {
    for (const Simd level : {Simd::avx512, Simd::avx2, Simd::neon}) {
      if (runs_here(level)) return level;
    }
    return Simd::scalar;
  }();
  return best;
}

Simd simd_level() noexcept {
  const int level = chosen.load(std::memory_order_relaxed);
  return level < 0 ? simd_best() : static_cast<Simd>(level);
}

bool set_simd_level(Simd level) noexcept {
  if (!runs_here(level)) return false;
  chosen.store(static_cast<int>(level), std::memory_order_relaxed);
  return true;
}

const char* simd_name(Simd level) noexcept {
  switch (level) {
    case Simd::scalar:
      return "scalar";
    case Simd::neon:
      return "neon";
    case Simd::avx2:
      return "avx2";
    case Simd::avx512:
      return "avx512";
  }
  return "unknown";
}

}  // namespace edge_pose
