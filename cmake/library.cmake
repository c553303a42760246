# libkiseki: what a program that records spans links to. The folders below `native` in one static archive, the same as one shared
# library that shows kis_* alone, a pkg-config file, and a CMake package: find_package(kiseki), target kiseki::kiseki.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(KIS_LIBRARY_FOLDERS base model os wire propagate http compress sdk net send native)
set(KIS_LIBRARY_MODULES libnghttp2 openssl libdeflate zlib libzstd)

if(NOT KIS_FUZZ AND NOT CMAKE_SYSTEM_NAME STREQUAL "Generic") # Generic: WebAssembly
    # --- libkiseki.a: the archives of the folders as one
    set(archive ${PROJECT_BINARY_DIR}/lib/libkiseki.a)
    set(script "CREATE ${archive}\n")
    set(archives "")
    foreach(folder ${KIS_LIBRARY_FOLDERS})
        string(APPEND script "ADDLIB $<TARGET_FILE:kis_${folder}>\n")
        list(APPEND archives kis_${folder})
    endforeach()
    string(APPEND script "SAVE\nEND\n")
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/libkiseki.mri CONTENT "${script}")
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
    add_custom_command(OUTPUT ${archive}
                       COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
                       COMMAND ${CMAKE_AR} -M < ${PROJECT_BINARY_DIR}/libkiseki.mri
                       COMMAND ${CMAKE_RANLIB} ${archive}
                       DEPENDS ${archives} ${PROJECT_BINARY_DIR}/libkiseki.mri
                       COMMENT "lib/libkiseki.a" VERBATIM)
    if(KIS_IS_WHOLE)
        add_custom_target(kiseki_archive ALL DEPENDS ${archive})
    else()
        add_custom_target(kiseki_archive DEPENDS ${archive}) # built for who links to it
    endif()

    add_library(kiseki_static INTERFACE)
    add_dependencies(kiseki_static kiseki_archive)
    target_include_directories(kiseki_static INTERFACE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(kiseki_static INTERFACE ${archive} Threads::Threads)
    foreach(module ${KIS_LIBRARY_MODULES})
        pkg_check_modules(PKG_${module} REQUIRED IMPORTED_TARGET GLOBAL ${module})
        target_link_libraries(kiseki_static INTERFACE PkgConfig::PKG_${module})
    endforeach()

    # --- libkiseki.so
    add_library(kiseki_shared SHARED ${PROJECT_SOURCE_DIR}/cmake/empty.c)
    add_dependencies(kiseki_shared kiseki_archive)
    set_target_properties(kiseki_shared PROPERTIES OUTPUT_NAME kiseki VERSION ${PROJECT_VERSION} SOVERSION 0
                          LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
                          LINK_DEPENDS "${archive};${PROJECT_SOURCE_DIR}/cmake/libkiseki.map")
    target_link_libraries(kiseki_shared PRIVATE -Wl,--whole-archive ${archive} -Wl,--no-whole-archive
                          -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/libkiseki.map -Wl,--no-undefined Threads::Threads)
    foreach(module ${KIS_LIBRARY_MODULES})
        target_link_libraries(kiseki_shared PRIVATE PkgConfig::PKG_${module})
    endforeach()
    target_include_directories(kiseki_shared INTERFACE ${PROJECT_SOURCE_DIR}/include)
    add_library(kiseki::kiseki ALIAS kiseki_shared)
    add_library(kiseki::static ALIAS kiseki_static)
    if(KIS_SANITIZE OR NOT KIS_IS_WHOLE)
        set_target_properties(kiseki_shared PROPERTIES EXCLUDE_FROM_ALL ON) # --no-undefined and sanitizers do not go together; a part is built when linked to
    endif()

endif()

# --- what is installed
if(KIS_INSTALL AND NOT KIS_FUZZ AND NOT CMAKE_SYSTEM_NAME STREQUAL "Generic")
    # The .pc finds its prefix from where it lies: `cmake --install --prefix` may put it anywhere.
    file(RELATIVE_PATH KIS_PC_TO_PREFIX /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
    string(REGEX REPLACE "/$" "" KIS_PC_TO_PREFIX ${KIS_PC_TO_PREFIX})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/kiseki.pc.in ${PROJECT_BINARY_DIR}/kiseki.pc @ONLY)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/kiseki-config.cmake.in ${PROJECT_BINARY_DIR}/kiseki-config.cmake @ONLY)
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/kiseki-config-version.cmake COMPATIBILITY SameMinorVersion) # until 1.0
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/kiseki DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
            FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
    install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
    install(FILES ${PROJECT_BINARY_DIR}/kiseki.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
    install(FILES ${PROJECT_BINARY_DIR}/kiseki-config.cmake ${PROJECT_BINARY_DIR}/kiseki-config-version.cmake
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kiseki COMPONENT library)
    if(NOT KIS_SANITIZE)
        install(TARGETS kiseki_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
    endif()
endif()
