# bin/kiseki: programs/kiseki.c and one file a subcommand.
file(GLOB KIS_PROGRAM_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/programs/*.c)
if(KIS_PROGRAM_SOURCES AND NOT KIS_FUZZ)
    add_executable(kiseki ${KIS_PROGRAM_SOURCES})
    target_link_libraries(kiseki PRIVATE kis_serve kis_native m)
endif()

# For tests/conform: what our decoder makes of a request, to be compared with an unrelated one.
if(KIS_TESTS AND NOT KIS_FUZZ)
    add_executable(kiseki-otlp-dump ${CMAKE_SOURCE_DIR}/tests/conform/otlp_dump.c)
    target_link_libraries(kiseki-otlp-dump PRIVATE kis_wire kis_os)
endif()
