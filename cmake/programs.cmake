# bin/kiseki: programs/kiseki.c and one file a subcommand. The page in ui/dist is embedded; without one the program
# builds all the same and says at its address how to get it.
file(GLOB KIS_PROGRAM_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/programs/*.c)
set(KIS_PROGRAM_TESTS ${KIS_PROGRAM_SOURCES})
list(FILTER KIS_PROGRAM_SOURCES EXCLUDE REGEX "_test\\.c$")
list(FILTER KIS_PROGRAM_TESTS INCLUDE REGEX "_test\\.c$")
list(REMOVE_ITEM KIS_PROGRAM_SOURCES ${PROJECT_SOURCE_DIR}/programs/kiseki.c)
if(NOT KIS_FUZZ)
    add_library(kis_programs STATIC ${KIS_PROGRAM_SOURCES})
    target_include_directories(kis_programs PUBLIC ${PROJECT_SOURCE_DIR}/programs)
    target_link_libraries(kis_programs PUBLIC kis_serve)
endif()
if(NOT KIS_FUZZ AND Python3_FOUND)
    file(GLOB_RECURSE KIS_PAGE_FILES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ui/dist/*)
    set(KIS_PAGE_SOURCE ${PROJECT_BINARY_DIR}/static_files.c)
    add_custom_command(
        OUTPUT ${KIS_PAGE_SOURCE}
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/embed ${PROJECT_SOURCE_DIR}/ui/dist ${KIS_PAGE_SOURCE}
        COMMAND ${CMAKE_COMMAND} -E touch ${KIS_PAGE_SOURCE}
        DEPENDS ${PROJECT_SOURCE_DIR}/tools/embed ${KIS_PAGE_FILES}
        COMMENT "Embedding the page (ui/dist)")
    add_executable(kiseki ${PROJECT_SOURCE_DIR}/programs/kiseki.c ${KIS_PAGE_SOURCE})
    target_link_libraries(kiseki PRIVATE kis_programs m)
    install(TARGETS kiseki RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
endif()

# x_test.c is a program of its own with x.c and what x.c needs of the folder.
if(KIS_TESTS AND NOT KIS_FUZZ)
    foreach(source ${KIS_PROGRAM_TESTS})
        get_filename_component(name ${source} NAME_WE)
        add_executable(programs_${name} ${source})
        target_include_directories(programs_${name} PRIVATE ${PROJECT_SOURCE_DIR})
        target_compile_options(programs_${name} PRIVATE -Wno-conversion)
        pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
        target_link_libraries(programs_${name} PRIVATE kis_programs PkgConfig::CMOCKA m)
        set_target_properties(programs_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
        add_test(NAME programs_${name} COMMAND programs_${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
        set_tests_properties(programs_${name} PROPERTIES TIMEOUT 600)
    endforeach()
endif()
# For tests/conform: what our decoder makes of a request, to be compared with an unrelated one.
if(KIS_TESTS AND NOT KIS_FUZZ)
    add_executable(kiseki-otlp-dump ${PROJECT_SOURCE_DIR}/tests/conform/otlp_dump.c)
    target_link_libraries(kiseki-otlp-dump PRIVATE kis_wire kis_os)
endif()
