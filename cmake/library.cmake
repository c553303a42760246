# libkiseki: what a program that records spans links to. One static and one shared library of the folders below
# `native`, a pkg-config file and a CMake package.
set(KIS_LIBRARY_FOLDERS base model os wire propagate http compress sdk net send native)
set(objects "")
set(links "")
foreach(folder ${KIS_LIBRARY_FOLDERS})
    list(APPEND links kis_${folder})
endforeach()
