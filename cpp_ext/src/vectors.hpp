// Short vectors that every compiler target has in some form, and code compiled once for each level of instructions.
//
// A body given to with_simd is compiled for the baseline and, on x86-64, for AVX2 and AVX-512 too; simd_level() picks.
// Each level computes the same bits: the same operations in the same order, no contraction, no approximations of the
// processor's own.
#pragma once

#include <cstdint>
#include <cstring>

#include "edge_pose/simd.hpp"

#define EDGE_POSE_INLINE inline __attribute__((always_inline))

namespace edge_pose {

using F32x8 = float __attribute__((vector_size(32)));
using I32x8 = std::int32_t __attribute__((vector_size(32)));
using F32x16 = float __attribute__((vector_size(64)));
using I32x16 = std::int32_t __attribute__((vector_size(64)));
using F64x8 = double __attribute__((vector_size(64)));
using I64x8 = std::int64_t __attribute__((vector_size(64)));
using I16x32 = std::int16_t __attribute__((vector_size(64)));

// Vectors go by reference: by value, their calling convention depends on the target.
template <typename V, typename T>
EDGE_POSE_INLINE void load(V& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}

template <typename V>
EDGE_POSE_INLINE bool any(const V& mask) {
  std::uint64_t words[sizeof(V) / 8], all = 0;
  std::memcpy(words, &mask, sizeof mask);
  for (const std::uint64_t word : words) all |= word;
  return all != 0;
}

#if defined(__x86_64__)
template <typename Body>
__attribute__((target("avx2,f16c"))) void run_avx2(Body& body) {
  body();
}
template <typename Body>
__attribute__((target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) void run_avx512(Body& body) {
  body();
}
#endif

// body: a lambda `[&]() __attribute__((always_inline)) {...}`.
template <typename Body>
void with_simd(Body body) {
#if defined(__x86_64__)
  const Simd level = simd_level();
  if (level == Simd::avx512) return run_avx512(body);
  if (level == Simd::avx2) return run_avx2(body);
#endif
  body();
}

}  // namespace edge_pose
