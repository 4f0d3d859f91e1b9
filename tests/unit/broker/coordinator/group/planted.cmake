# Builds of the life of a consumer group with one bug planted at link time (planted/<bug>.c stands in for SYMBOL). Each
# must be found within LIVES lives, as those in tests/sim/planted.cmake.
set(planted_is_armed ${CMAKE_SOURCE_DIR}/tests/sim/planted/is_armed.sh ${CMAKE_NM})
function(weir_planted_life bug)
  cmake_parse_arguments(arg "" "SYMBOL;LIVES" "" ${ARGN})
  add_executable(test_life_planted_${bug} planted/${bug}.c test_consumer_life.c consumer_life.c
                 consumer_life_client.c consumer_life_classic.c consumer_stage.c)
  target_link_libraries(test_life_planted_${bug} PRIVATE weir_broker_group weir_test_support weir_dep_check)
  set_source_files_properties(planted/${bug}.c PROPERTIES COMPILE_OPTIONS -ffunction-sections)
  target_link_options(test_life_planted_${bug} PRIVATE -Wl,--wrap=${arg_SYMBOL} -Wl,--gc-sections)
  add_custom_command(TARGET test_life_planted_${bug} POST_BUILD VERBATIM
                     COMMAND ${planted_is_armed} $<TARGET_FILE:test_life_planted_${bug}> ${arg_SYMBOL})
  add_test(NAME life_planted_${bug} COMMAND test_life_planted_${bug} --finds-bug=${arg_LIVES})
  set_tests_properties(life_planted_${bug} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

weir_planted_life(given_too_soon SYMBOL weir_consumer_member_reconcile LIVES 10)
weir_planted_life(old_commit SYMBOL weir_consumer_group_check_commit LIVES 10)
weir_planted_life(forgotten_member SYMBOL weir_assign_uniform LIVES 10)

# Without one nothing is found.
add_test(NAME life_planted_none COMMAND test_broker_consumer_life --finds-bug=2)
set_tests_properties(life_planted_none PROPERTIES LABELS sim TIMEOUT 300
                     PASS_REGULAR_EXPRESSION "was not found in 2 lives")
