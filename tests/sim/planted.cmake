# Builds of the same tests with one bug planted at link time (planted/<bug>.c, or FILE, stands in for SYMBOL).
# Each must be found within SEEDS seeds: the test passes when it is, and says after how many.
# SYMBOL is a name like any other to the linker: where nothing calls it any more, the build fails.
set(planted_is_armed ${CMAKE_CURRENT_SOURCE_DIR}/planted/is_armed.sh ${CMAKE_NM})
function(weir_planted bug)
  cmake_parse_arguments(arg "" "SYMBOL;SEEDS;FILE" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_FILE)
    set(arg_FILE ${bug})
  endif()
  add_executable(test_sim_planted_${bug} planted/${arg_FILE}.c ${arg_SOURCES})
  target_link_libraries(test_sim_planted_${bug} PRIVATE weir_sim_world ${arg_DEPENDS})
  set_source_files_properties(planted/${arg_FILE}.c PROPERTIES COMPILE_OPTIONS -ffunction-sections)
  target_link_options(test_sim_planted_${bug} PRIVATE -Wl,--wrap=${arg_SYMBOL} -Wl,--gc-sections)
  add_custom_command(TARGET test_sim_planted_${bug} POST_BUILD VERBATIM
                     COMMAND ${planted_is_armed} $<TARGET_FILE:test_sim_planted_${bug}> ${arg_SYMBOL})
  add_test(NAME sim_planted_${bug} COMMAND test_sim_planted_${bug} --finds-bug=${arg_SEEDS})
  set_tests_properties(sim_planted_${bug} PROPERTIES LABELS sim TIMEOUT 300)
endfunction()

weir_planted(skipped_fsync SYMBOL weir_log_sync_run SEEDS 50 SOURCES test_engine_seeds.c)
weir_planted(torn_tail SYMBOL weir_batch_check_crc SEEDS 300 SOURCES test_engine_seeds.c)
weir_planted(early_commit SYMBOL weir_thread_step SEEDS 50
             SOURCES test_job_seeds.c job.c job_check.c DEPENDS weir_dsl weir_runtime)
weir_planted(hasty_restore SYMBOL weir_restore_apply SEEDS 50
              SOURCES test_job_seeds.c job.c job_check.c DEPENDS weir_dsl weir_runtime)
weir_planted(uncommitted_hop SYMBOL weir_stream_thread_new SEEDS 200
             SOURCES test_job_seeds.c job.c job_check.c DEPENDS weir_dsl weir_runtime)
weir_planted(largest_time SYMBOL weir_find_timed_topics SEEDS 20
             SOURCES test_replay_seeds.c job.c DEPENDS weir_dsl weir_runtime)
weir_planted(hasty_end SYMBOL weir_writer_times_take SEEDS 200
             SOURCES test_replay_seeds.c job.c DEPENDS weir_dsl weir_runtime)
weir_planted(old_state SYMBOL weir_restore_may_lack_tombstones SEEDS 100
             SOURCES test_table_seeds.c job.c DEPENDS weir_dsl weir_runtime)
weir_planted(hasty_answer SYMBOL weir_broker_produce SEEDS 50
             SOURCES test_server_seeds.c DEPENDS weir_sim_served)
weir_planted(bold_fetch SYMBOL weir_broker_fetch SEEDS 50
             SOURCES test_server_seeds.c DEPENDS weir_sim_served)
weir_planted(blind_retry SYMBOL weir_producer_state_admit SEEDS 50
             SOURCES test_server_seeds.c DEPENDS weir_sim_served)
weir_planted(stale_commit SYMBOL weir_classic_group_check_commit SEEDS 50
             SOURCES test_classic_seeds.c classic_world.c DEPENDS weir_broker_group)
weir_planted(forgotten_member SYMBOL weir_classic_answer_joined SEEDS 50
             SOURCES test_classic_seeds.c classic_world.c DEPENDS weir_broker_group)
weir_planted(shared_assignment SYMBOL weir_classic_assign SEEDS 50
             SOURCES test_classic_seeds.c classic_world.c DEPENDS weir_broker_group)

# Transactions at partitions, within the seeds of test_ledger_seeds.c.
function(weir_planted_in_ledger bug)
  weir_planted(${bug} SEEDS 50 SOURCES test_ledger_seeds.c ledger.c writer.c ${ARGN})
endfunction()
weir_planted_in_ledger(early_stable SYMBOL weir_producer_state_first_unstable)
weir_planted_in_ledger(loose_sequence SYMBOL weir_producer_state_admit)
weir_planted_in_ledger(lost_abort SYMBOL weir_partition_log_aborted)
weir_planted_in_ledger(hasty_marker SYMBOL weir_partition_hold_marker)
weir_planted_in_ledger(bold_cleaner SYMBOL weir_cleaner_transactions_seal)

# The whole system with groups on it, within the seeds of test_group_seeds.
function(weir_planted_in_groups bug)
  weir_planted(${bug} SEEDS 40 SOURCES test_group_seeds.c DEPENDS weir_sim_groups ${ARGN})
endfunction()
weir_planted_in_groups(group_stale_commit FILE stale_commit SYMBOL weir_classic_group_check_commit)
weir_planted_in_groups(group_forgotten_member FILE forgotten_member SYMBOL weir_classic_answer_joined)
weir_planted_in_groups(stale_epoch SYMBOL weir_consumer_group_check_commit)
weir_planted_in_groups(early_owner SYMBOL weir_consumer_member_reconcile)
weir_planted_in_groups(lost_assignment SYMBOL weir_consumer_assignment_decode)
weir_planted_in_groups(hasty_commit SYMBOL weir_partition_write)
weir_planted_in_groups(group_early_offset FILE early_offset SYMBOL weir_offsets_image_apply_pending)

# Transactions, within the seeds of test_transaction_seeds.
function(weir_planted_in_transactions bug)
  weir_planted(${bug} SEEDS 100 SOURCES test_transaction_seeds.c DEPENDS weir_sim_transactions ${ARGN})
endfunction()
weir_planted_in_transactions(lost_marker SYMBOL weir_engine_write_marker)
weir_planted_in_transactions(early_prepare SYMBOL weir_engine_sync_partition)
weir_planted_in_transactions(early_offset SYMBOL weir_offsets_image_apply_pending)
weir_planted_in_transactions(hasty_decision SYMBOL weir_partition_write)

# Of a symbol that nothing calls the check says so.
add_test(NAME sim_planted_disarmed
         COMMAND ${planted_is_armed} $<TARGET_FILE:test_sim_planted_torn_tail> weir_batch_check_crc_of_old)
set_tests_properties(sim_planted_disarmed PROPERTIES LABELS sim TIMEOUT 60
                     PASS_REGULAR_EXPRESSION "nothing calls weir_batch_check_crc_of_old")
