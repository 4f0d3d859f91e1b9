# Foreign libraries, each with the one target that the rest of the build names.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(weir_find name module header)
  pkg_check_modules(${name} IMPORTED_TARGET ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${module} is missing: run './dev setup', which installs it")
  endif()
  add_library(weir_dep_${name} INTERFACE)
  target_link_libraries(weir_dep_${name} INTERFACE PkgConfig::${name})
endfunction()

function(weir_find_library name library header)
  find_library(WEIR_${name}_LIBRARY ${library})
  find_path(WEIR_${name}_INCLUDE ${header})
  if(NOT WEIR_${name}_LIBRARY OR NOT WEIR_${name}_INCLUDE)
    message(FATAL_ERROR "${library} (${header}) is missing: run './dev setup', which installs it")
  endif()
  add_library(weir_dep_${name} INTERFACE)
  target_link_libraries(weir_dep_${name} INTERFACE ${WEIR_${name}_LIBRARY})
  target_include_directories(weir_dep_${name} SYSTEM INTERFACE ${WEIR_${name}_INCLUDE})
endfunction()

weir_find(uv libuv uv.h)
weir_find(zstd libzstd zstd.h)
weir_find(lz4 liblz4 lz4frame.h)
weir_find(zlib zlib zlib.h)
weir_find(pcre2 libpcre2-8 pcre2.h)
weir_find(jansson jansson jansson.h) # build time only: the schema generator
weir_find_library(snappy snappy snappy-c.h)
weir_find_library(rocksdb rocksdb rocksdb/c.h) # another build: -DWEIR_rocksdb_LIBRARY=/path/librocksdb.so

# CRC-32C has a table to fall back on where ISA-L is missing.
find_library(WEIR_isal_LIBRARY isal)
find_path(WEIR_isal_INCLUDE isa-l.h)
add_library(weir_dep_isal INTERFACE)
if(WEIR_isal_LIBRARY AND WEIR_isal_INCLUDE)
  target_link_libraries(weir_dep_isal INTERFACE ${WEIR_isal_LIBRARY})
  target_include_directories(weir_dep_isal SYSTEM INTERFACE ${WEIR_isal_INCLUDE})
  target_compile_definitions(weir_dep_isal INTERFACE WEIR_HAVE_ISAL)
endif()

find_path(WEIR_XXHASH_INCLUDE xxhash.h REQUIRED)
add_library(weir_dep_xxhash INTERFACE)
target_include_directories(weir_dep_xxhash SYSTEM INTERFACE ${WEIR_XXHASH_INCLUDE})
if(WEIR_BUILD_TESTS)
  weir_find(check check check.h)
endif()
