# bin/kiseki: programs/kiseki.c and one file a subcommand.
file(GLOB KIS_PROGRAM_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/programs/*.c)
if(KIS_PROGRAM_SOURCES AND NOT KIS_FUZZ)
    add_executable(kiseki ${KIS_PROGRAM_SOURCES})
    target_link_libraries(kiseki PRIVATE kis_serve kis_native m)
endif()
