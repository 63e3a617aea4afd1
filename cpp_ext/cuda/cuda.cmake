# The CUDA half of the core, a module of its own: `edge_pose._cuda`. EDGE_POSE_CUDA=AUTO builds it where a toolkit is
# found, ON insists, OFF leaves it out. It is linked with the static CUDA runtime, so that it loads without a driver.
if(EDGE_POSE_CUDA STREQUAL "OFF" OR NOT EDGE_POSE_PYTHON)
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
set(chosen_architectures ${CMAKE_CUDA_ARCHITECTURES})
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

# Boards (Orin 8.7, Thor 11.0 or, in CUDA 12, 10.1), then desktops and servers; newer ones compile the last one's PTX.
if(NOT chosen_architectures)
  set(chosen_architectures 80-real 86-real 87-real 89-real 90)
  if(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 13.0)
    list(APPEND chosen_architectures 110-real 120)
  elseif(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8)
    list(APPEND chosen_architectures 101-real 120)
  endif()
endif()

pybind11_add_module(_cuda MODULE ${CMAKE_CURRENT_LIST_DIR}/device.cpp ${CMAKE_CURRENT_LIST_DIR}/tasks.cpp
                    ${CMAKE_CURRENT_LIST_DIR}/module.cpp ${CMAKE_CURRENT_LIST_DIR}/warp.cu)
set_target_properties(_cuda PROPERTIES CUDA_ARCHITECTURES "${chosen_architectures}" CUDA_STANDARD 17
                      CUDA_RUNTIME_LIBRARY Static LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/exports.map)
target_include_directories(_cuda PRIVATE cpp_ext/include)
target_link_libraries(_cuda PRIVATE CUDA::cudart_static)
# The numbers are the core's: a*b+c rounds twice on both sides.
target_compile_options(_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false> $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-Wall;-Wextra>
  $<$<AND:$<BOOL:${EDGE_POSE_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>
  $<$<AND:$<BOOL:${EDGE_POSE_WERROR}>,$<COMPILE_LANGUAGE:CUDA>>:-Werror=all-warnings>)
target_link_options(_cuda PRIVATE "-Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/exports.map")
install(TARGETS _cuda LIBRARY DESTINATION edge_pose COMPONENT python)
