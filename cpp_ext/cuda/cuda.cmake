# The CUDA half of the core, a module of its own: `edge_pose._cuda`. EDGE_POSE_CUDA=AUTO builds it where a toolkit is
# found, ON insists, OFF leaves it out. It is linked with the static CUDA runtime, so that it loads without a driver.
# PRETEND builds it over a device made of host memory, for tests.
set(cuda_sources ${CMAKE_CURRENT_LIST_DIR}/device.cpp ${CMAKE_CURRENT_LIST_DIR}/tasks.cpp)
set(cuda_exports ${CMAKE_CURRENT_LIST_DIR}/exports.map)
if(EDGE_POSE_TESTS OR EDGE_POSE_CUDA STREQUAL "PRETEND")
  add_library(edge_pose_pretend_cuda STATIC ${cuda_sources} ${CMAKE_CURRENT_LIST_DIR}/tests/pretend/cudart.cpp)
  target_include_directories(edge_pose_pretend_cuda PUBLIC cpp_ext/include cpp_ext/cuda cpp_ext/cuda/tests/pretend)
  # The numbers are the core's: a*b+c rounds twice on both sides.
  target_compile_options(edge_pose_pretend_cuda PRIVATE -Wall -Wextra -Werror -ffp-contract=off)
endif()
if(EDGE_POSE_TESTS)
  add_executable(test_cuda ${CMAKE_CURRENT_LIST_DIR}/tests/test_cuda.cpp)
  target_link_libraries(test_cuda PRIVATE edge_pose_pretend_cuda edge_pose_core)
  target_compile_options(test_cuda PRIVATE -Wall -Wextra -Werror)
  add_test(NAME test_cuda COMMAND test_cuda)
endif()

if(EDGE_POSE_CUDA STREQUAL "OFF" OR NOT EDGE_POSE_PYTHON)
  return()
endif()
if(EDGE_POSE_CUDA STREQUAL "PRETEND")
  pybind11_add_module(_cuda MODULE ${CMAKE_CURRENT_LIST_DIR}/module.cpp)
  target_link_libraries(_cuda PRIVATE edge_pose_pretend_cuda)
  target_link_options(_cuda PRIVATE "-Wl,--version-script=${cuda_exports}")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(EDGE_POSE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "EDGE_POSE_CUDA=ON, and no CUDA compiler is found: put nvcc on PATH, or set CUDACXX")
  endif()
  message(STATUS "No CUDA toolkit: built without edge_pose._cuda")
  return()
endif()
enable_language(CUDA)
find_package(CUDAToolkit)
if(NOT TARGET CUDA::cudart_static)
  if(EDGE_POSE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "EDGE_POSE_CUDA=ON, and the static CUDA runtime is missing: install cuda-cudart-dev")
  endif()
  message(STATUS "No static CUDA runtime: built without edge_pose._cuda")
  return()
endif()

# Boards (Orin 8.7, Thor 11.0 or, in CUDA 12, 10.1), then desktops and servers; newer ones compile the last one's PTX.
set(EDGE_POSE_CUDA_ARCHITECTURES "" CACHE STRING "compute capabilities to compile for, as CMake writes them; empty: all")
set(chosen_architectures ${EDGE_POSE_CUDA_ARCHITECTURES})
if(NOT chosen_architectures)
  set(chosen_architectures 80-real 86-real 87-real 89-real 90)
  if(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 13.0)
    list(APPEND chosen_architectures 110-real 120)
  elseif(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8)
    list(APPEND chosen_architectures 101-real 120)
  endif()
endif()

pybind11_add_module(_cuda MODULE ${cuda_sources} ${CMAKE_CURRENT_LIST_DIR}/module.cpp
                    ${CMAKE_CURRENT_LIST_DIR}/warp.cu)
set_target_properties(_cuda PROPERTIES CUDA_ARCHITECTURES "${chosen_architectures}" CUDA_STANDARD 17
                      CUDA_RUNTIME_LIBRARY Static LINK_DEPENDS ${cuda_exports})
target_include_directories(_cuda PRIVATE cpp_ext/include)
target_link_libraries(_cuda PRIVATE CUDA::cudart_static)
target_compile_options(_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false>
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xcompiler -fvisibility=hidden>"
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xcompiler -ffp-contract=off>"
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-Wall;-Wextra>
  $<$<AND:$<BOOL:${EDGE_POSE_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>
  $<$<AND:$<BOOL:${EDGE_POSE_WERROR}>,$<COMPILE_LANGUAGE:CUDA>>:-Werror=all-warnings>)
target_link_options(_cuda PRIVATE "-Wl,--version-script=${cuda_exports}")
install(TARGETS _cuda LIBRARY DESTINATION edge_pose COMPONENT python)
