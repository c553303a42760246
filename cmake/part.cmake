# libkiseki inside of another project's build: the folders that it is made of, and the library. No program, no page, no example;
# tests where they are asked for. What the library links to is looked for here, and has to be seen where it is linked.
if(NOT KIS_THREADS_WERE_THERE)
    set_target_properties(Threads::Threads PROPERTIES IMPORTED_GLOBAL ON)
endif()
include(cmake/library.cmake)
foreach(folder ${KIS_LIBRARY_FOLDERS})
    kis_folder(${folder})
endforeach()
