# weir_folder(NAME SOURCES ... DEPENDS ...): one object library per folder; all of them together are
# libweir. DEPENDS names folders below this one (arrows point one way) or weir_dep_* targets.
set_property(GLOBAL PROPERTY WEIR_FOLDERS "")

function(weir_folder name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(weir_${name} STATIC ${arg_SOURCES})
  target_link_libraries(weir_${name} PUBLIC weir_flags Threads::Threads PRIVATE ${arg_DEPENDS})
  foreach(dependency IN LISTS arg_DEPENDS)
    if(NOT dependency MATCHES "^weir_dep_")
      target_link_libraries(weir_${name} PUBLIC ${dependency})
    endif()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY WEIR_FOLDERS weir_${name})
endfunction()

# Programs whose tests run real threads: what the thread sanitizer is for (label `threads`).
set(WEIR_THREAD_TESTS base_alloc base_env_uv base_env_uv_files base_env_socket
    base_env_socket_server base_env_socket_over broker_engine_uv broker_metadata_view
    server_uv server_data_path_uv
    client_log client_consumer client_listen wire_peer client_threads runtime_job)

# weir_test(NAME SOURCES ... DEPENDS ... [LABELS ...] [TIMEOUT s] [PROCESSES n]): one check program.
function(weir_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${arg_DEPENDS} weir_test_support weir_dep_check)
  add_test(NAME ${name} COMMAND test_${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(name IN_LIST WEIR_THREAD_TESTS)
    list(APPEND arg_LABELS threads)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# weir_fuzz(NAME SOURCE DEPENDS ... [DEFINITIONS ...]): a libFuzzer program with the fuzz preset; in every other build
# a test that replays tests/fuzz/corpus/NAME through the same function.
function(weir_fuzz name source)
  cmake_parse_arguments(arg "" "" "DEPENDS;DEFINITIONS" ${ARGN})
  if(WEIR_FUZZ)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE ${arg_DEPENDS})
    target_compile_definitions(fuzz_${name} PRIVATE ${arg_DEFINITIONS})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(replay_${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    target_link_libraries(replay_${name} PRIVATE ${arg_DEPENDS})
    target_compile_definitions(replay_${name} PRIVATE ${arg_DEFINITIONS})
    add_test(NAME fuzz_replay_${name}
             COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_replay_${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  endif()
endfunction()
