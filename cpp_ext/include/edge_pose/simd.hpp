// Which vector instructions the kernels use. One build holds all of them; the choice is made at run time.
#pragma once

namespace edge_pose {

enum class Simd { scalar, neon, avx2, avx512 };

// The best level that this build has and this processor and operating system can run.
// avx512 here means F, BW, DQ, VL and VBMI (Ice Lake, Zen 4 and newer); older AVX-512 parts use avx2.
Simd simd_best() noexcept;

// The level in use: simd_best() unless set_simd_level chose another.
Simd simd_level() noexcept;

// Chooses a level for the whole process (tests, comparisons); false, and no change, where it cannot run here.
// Every level gives the same bits, so calls that are running at this moment stay right.
bool set_simd_level(Simd level) noexcept;

const char* simd_name(Simd level) noexcept;

}  // namespace edge_pose
