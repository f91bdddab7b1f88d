# The toolchain is decided in docs/architecture.md: Clang 19, libstdc++ 12, C++23.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles ordinary uses of co_await (12 of 40 forms tried). "
                      "Use Clang 19: cmake --preset release, or CC=clang-19 CXX=clang++-19.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Everything ends in programs. CMake would say -fPIC for libraries and -fPIE for programs, which could not share one
# precompiled header then.
add_compile_options(-fPIE)
add_link_options(-pie)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# Boost 1.74 looks for coroutines under their old names; Clang needs to be told.
add_compile_definitions(BOOST_ASIO_HAS_CO_AWAIT=1 BOOST_ASIO_HAS_STD_COROUTINE=1 BOOST_ASIO_NO_DEPRECATED
                        BOOST_BEAST_USE_STD_STRING_VIEW SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
                    -fno-omit-frame-pointer)
# libstdc++ 12 uses its own deprecated get_temporary_buffer in stable_sort.
add_compile_options(-Wno-deprecated-declarations)
# Options are structs with defaults: naming only what differs is the point of them.
add_compile_options(-Wno-unknown-warning-option -Wno-missing-designated-field-initializers)
# own_asio.map keeps our Asio and the one inside libcpprest apart.
add_link_options(-fuse-ld=lld -Wl,--as-needed -Wl,--version-script=${CMAKE_SOURCE_DIR}/.cmake/own_asio.map)

set(GANTRY_SANITIZE "" CACHE STRING "address,undefined or thread")
if(GANTRY_SANITIZE)
  # Debian's cpprestsdk exports Asio's vtables without our type information, so UBSan's vptr check sees strangers in them.
  add_compile_options(-fsanitize=${GANTRY_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GANTRY_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # The precompiled header carries no time stamp (-fno-pch-timestamp), so ccache may look through it.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
endif()
add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
