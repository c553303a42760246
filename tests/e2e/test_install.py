"""What `cmake --install` leaves is enough to build and run a program: by CMake, and by pkg-config."""

import os
import subprocess

import pytest

from server import BIN, ROOT

BUILD = BIN.parent
PROGRAM = ROOT / "examples" / "first-span" / "first_span.c"


def run(*command, seconds=120, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, env={**os.environ, **more})


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    path = tmp_path_factory.mktemp("prefix")
    done = run("cmake", "--install", BUILD, "--prefix", path)
    assert done.returncode == 0, done.stderr
    if not list(path.glob("lib*/**/libkiseki.so")):
        pytest.skip("this build has no shared library (a sanitizer's)")
    return path


@pytest.fixture
def consumer(tmp_path, prefix):
    """consumer(find, target, **environment) -> what cmake says to a small project, and its build."""
    def make(find, target, **more):
        (tmp_path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(shop C)\n"
            f"find_package({find})\nadd_executable(shop {PROGRAM})\ntarget_link_libraries(shop PRIVATE {target})\n")
        return run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}", **more), tmp_path / "build"
    return make


def says_hello(program, **more):
    done = run(program, OTEL_TRACES_EXPORTER="console", **more)
    return done.returncode == 0 and "say hello" in done.stdout + done.stderr


NO_PACKAGES = {"PKG_CONFIG_LIBDIR": "/nonexistent", "PKG_CONFIG_PATH": ""}


@pytest.mark.parametrize("find, target, more", [
    ("kiseki 0.1 REQUIRED", "kiseki::kiseki", {}), ("kiseki REQUIRED", "kiseki::kiseki", NO_PACKAGES),
    ("kiseki 0.1 REQUIRED", "kiseki::static", {}), ("kiseki REQUIRED COMPONENTS static", "kiseki::static", {})])
def test_a_cmake_project_finds_the_library(consumer, find, target, more):
    done, build = consumer(find, target, **more)
    assert done.returncode == 0, done.stderr
    done = run("cmake", "--build", build)
    assert done.returncode == 0, done.stdout + done.stderr
    assert says_hello(build / "shop")


@pytest.mark.parametrize("find, words, more", [
    ("kiseki 0.2 REQUIRED", "0.1", {}), ("kiseki 1 REQUIRED", "0.1", {}), ("kiseki REQUIRED COMPONENTS statc", "'statc'", {}),
    ("kiseki REQUIRED COMPONENTS static", "libnghttp2", NO_PACKAGES)])
def test_what_cannot_be_had_is_refused_with_a_reason(consumer, find, words, more):
    done, _ = consumer(find, "kiseki::kiseki", **more)
    assert done.returncode != 0 and words in done.stderr, done.stderr


def test_pkg_config_is_enough_for_a_program_in_a_prefix(tmp_path, prefix):
    (pc,) = prefix.glob("lib*/**/kiseki.pc")
    asked = {"PKG_CONFIG_PATH": str(pc.parent)}
    flags = run("pkg-config", "--cflags", "--libs", "kiseki", **asked).stdout.split()
    libdir = run("pkg-config", "--variable=libdir", "kiseki", **asked).stdout.strip()
    program = tmp_path / "shop"
    assert (done := run("cc", PROGRAM, *flags, "-o", program)).returncode == 0, done.stderr
    assert says_hello(program, LD_LIBRARY_PATH=libdir)
    assert (done := run("cc", PROGRAM, *flags, f"-Wl,-rpath,{libdir}", "-o", program)).returncode == 0, done.stderr
    assert says_hello(program)


# -- as a part of another project --------------------------------------------------------------------

PART = """cmake_minimum_required(VERSION 3.20)
project(shop C)
include(FetchContent)
{find}
FetchContent_Declare(kiseki SOURCE_DIR {root})
FetchContent_MakeAvailable(kiseki)
foreach(kind kiseki static)
    add_executable(shop_${{kind}} {program})
    target_link_libraries(shop_${{kind}} PRIVATE kiseki::${{kind}})
endforeach()
install(TARGETS shop_static)
"""


@pytest.mark.parametrize("find", ["", "find_package(Threads)"], ids=["alone", "beside others"])
def test_a_cmake_project_takes_the_library_in(tmp_path, find):
    (tmp_path / "CMakeLists.txt").write_text(PART.format(root=ROOT, program=PROGRAM, find=find))
    build = tmp_path / "build"
    done = run("cmake", "-S", tmp_path, "-B", build)
    assert done.returncode == 0, done.stderr
    if find:
        return  # that it configures is enough: the rest is the same
    done = run("cmake", "--build", build, "--parallel", os.cpu_count(), seconds=600)
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("kiseki", "static"):
        assert says_hello(build / f"shop_{kind}"), kind
    assert not list(build.glob("**/*_test")) and not list(build.glob("**/bin/kiseki*")), "the library alone is built"
    assert run("cmake", "--install", build, "--prefix", tmp_path / "prefix").returncode == 0
    assert [path.name for path in (tmp_path / "prefix").rglob("*") if path.is_file()] == ["shop_static"], "and nothing of it is installed"
