# How every file of the project is compiled (shared: STYLE.md's level, DEPENDENCIES.md's flags).

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(weir_flags INTERFACE _GNU_SOURCE)
target_compile_options(weir_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -fno-strict-aliasing -fstack-protector-strong -fstack-clash-protection -fcf-protection)
target_link_options(weir_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(weir_flags INTERFACE -ftrivial-auto-var-init=zero)
endif()
if(WEIR_WERROR)
  target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_FUZZ)
  target_compile_options(weir_flags INTERFACE -fsanitize=fuzzer-no-link) # the library's coverage
endif()
if(WEIR_SANITIZE)
  string(REPLACE ";" "," sanitizers "${WEIR_SANITIZE}")
  target_compile_options(weir_flags INTERFACE -fsanitize=${sanitizers} -fno-omit-frame-pointer
                                              -fno-sanitize-recover=all)
  target_link_options(weir_flags INTERFACE -fsanitize=${sanitizers})
  # gcc's own manual: instrumentation makes warnings that follow the flow of values unreliable.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(weir_flags INTERFACE -Wno-format-truncation -Wno-maybe-uninitialized)
  endif()
  target_compile_definitions(weir_flags INTERFACE WEIR_SLOW_ASSERTIONS)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(weir_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
else()
  target_compile_definitions(weir_flags INTERFACE WEIR_SLOW_ASSERTIONS)
endif()

# Three hundred programs are linked in a build: gold does it in a third of the time. (Not the shared library:
# gold would export __bss_start and the like from it.)
include(CheckLinkerFlag)
check_linker_flag(C -fuse-ld=gold WEIR_HAS_GOLD)
if(WEIR_HAS_GOLD)
  string(APPEND CMAKE_EXE_LINKER_FLAGS " -fuse-ld=gold")
endif()
