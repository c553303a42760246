# All that a browser's recorder is made of, linked as one module with every function in it: what it would import from
# elsewhere is an error of the linker, so nothing but a kis_host is needed at run time.
set(core "")
foreach(folder ${KIS_FOLDERS})
    list(APPEND core kis_${folder})
endforeach()
add_executable(kiseki-core ${PROJECT_SOURCE_DIR}/cmake/empty.c)
set_target_properties(kiseki-core PROPERTIES SUFFIX .wasm)
target_link_options(kiseki-core PRIVATE -Wl,--no-gc-sections -Wl,--export-all)
target_link_libraries(kiseki-core PRIVATE -Wl,--whole-archive ${core} -Wl,--no-whole-archive)
