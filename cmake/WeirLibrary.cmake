# libweir, shared and static, from the objects of all folders; what is installed; pkg-config.
get_property(folders GLOBAL PROPERTY WEIR_FOLDERS)
set(objects "")
foreach(folder IN LISTS folders)
  list(APPEND objects $<TARGET_OBJECTS:${folder}>)
endforeach()

set(WEIR_FOREIGN weir_dep_uv weir_dep_rocksdb weir_dep_zstd weir_dep_lz4 weir_dep_snappy weir_dep_zlib
    weir_dep_pcre2)
set(WEIR_ISAL_FLAG "")
if(TARGET weir_dep_isal)
  list(APPEND WEIR_FOREIGN weir_dep_isal)
  set(WEIR_ISAL_FLAG "-lisal")
endif()

add_library(weir SHARED ${objects})
add_library(weir_archive STATIC ${objects})
set(WEIR_SOVERSION 0)
set_target_properties(weir PROPERTIES SOVERSION ${WEIR_SOVERSION} VERSION ${PROJECT_VERSION} LINKER_LANGUAGE C)
set_target_properties(weir_archive PROPERTIES OUTPUT_NAME weir LINKER_LANGUAGE C)
foreach(library IN ITEMS weir weir_archive)
  target_link_libraries(${library} PRIVATE weir_flags ${WEIR_FOREIGN} Threads::Threads)
  target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
endforeach()

file(RELATIVE_PATH WEIR_PC_UP ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
# A prefix such as ~/weir is no place where the loader looks: programs get it as their run path. A
# package for a distribution, whose libraries are found anyway, turns it off.
option(WEIR_PC_RUN_PATH "pkg-config --libs weir gives programs the library's folder as run path" ON)
if(WEIR_PC_RUN_PATH)
  set(WEIR_PC_RPATH " -Wl,-rpath,\${libdir}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/weir.pc.in ${CMAKE_BINARY_DIR}/weir.pc @ONLY)
install(TARGETS weir weir_archive
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/include/weir.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/weir.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(Weir)
set(WEIR_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Weir)
file(RELATIVE_PATH WEIR_CMAKE_UP ${CMAKE_INSTALL_FULL_LIBDIR}/cmake/Weir ${CMAKE_INSTALL_PREFIX})
include(CMakePackageConfigHelpers)
configure_file(${CMAKE_CURRENT_LIST_DIR}/WeirConfig.cmake.in ${CMAKE_BINARY_DIR}/WeirConfig.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/WeirConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/WeirConfig.cmake ${CMAKE_BINARY_DIR}/WeirConfigVersion.cmake
        DESTINATION ${WEIR_CMAKE_DIR})
