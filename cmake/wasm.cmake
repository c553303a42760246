# WebAssembly without a C library or an operating system: the browser's part of the tree.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)

find_program(KIS_WASM_CC NAMES clang-14 clang REQUIRED)
find_program(KIS_WASM_AR NAMES llvm-ar-14 llvm-ar REQUIRED)
find_program(KIS_WASM_RANLIB NAMES llvm-ranlib-14 llvm-ranlib REQUIRED)
# FORCE: the presets say gcc for everybody
set(CMAKE_C_COMPILER ${KIS_WASM_CC} CACHE FILEPATH "" FORCE)
set(CMAKE_AR ${KIS_WASM_AR} CACHE FILEPATH "" FORCE)
set(CMAKE_RANLIB ${KIS_WASM_RANLIB} CACHE FILEPATH "" FORCE)
set(CMAKE_C_COMPILER_TARGET wasm32)

# bulk-memory: memcpy and memset are instructions (src/base/mem_wasm.c builds on that).
set(CMAKE_C_FLAGS_INIT "-ffreestanding -nostdlib -mbulk-memory -fno-builtin")
set(CMAKE_C_FLAGS_RELEASE_INIT "-O2")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostdlib -Wl,--no-entry -Wl,--gc-sections")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
