"""Map the repository's folders onto one package and let CMake build the compiled core.

All metadata is in pyproject.toml.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

FOLDERS = {"edge_pose": "edge_pose", "edge_pose.export": "export", "edge_pose.models": "models"}


class CMakeBuild(build_ext):
    """Configure, build and install the CMake project into the folder setuptools asks for."""

    def build_extension(self, ext: Extension) -> None:
        """Put the compiled core where setuptools looks for it."""
        import pybind11

        prefix = Path(self.get_ext_fullpath(ext.name)).resolve().parents[1]
        kind = "Debug" if self.debug else "Release"
        build = Path("build", f"{sys.implementation.cache_tag}-{kind.lower()}")
        settings = {
            "CMAKE_BUILD_TYPE": kind,
            "CMAKE_MAKE_PROGRAM": tool("ninja"),  # pip builds in a new environment each time: never a remembered path
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11.get_cmake_dir(),
            "EDGE_POSE_CUDA": os.environ.get("EDGE_POSE_CUDA", "AUTO"),
        }
        given = [f"-D{key}={value}" for key, value in settings.items()]
        given += shlex.split(os.environ.get("CMAKE_ARGS", ""))  # what people build with: -DEDGE_POSE_WERROR=ON
        run_cmake("-S", ".", "-B", build, "-G", "Ninja", *given)
        run_cmake("--build", build)
        run_cmake("--install", build, "--prefix", prefix, "--component", "python")


def run_cmake(*arguments: object) -> None:
    """Run cmake and let it speak."""
    subprocess.run([tool("cmake"), *map(str, arguments)], check=True)


def tool(name: str) -> str:
    """Path of a program of this interpreter's environment, else of PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is needed to build the compiled core; run: pip install {name}")
    return found


def packages() -> list[str]:
    """Return the package names of all three source folders."""
    return [
        package
        for name, folder in FOLDERS.items()
        for package in [name, *(f"{name}.{sub}" for sub in find_packages(folder))]
    ]


setup(
    packages=packages(),
    package_dir=FOLDERS,
    package_data={"edge_pose": ["py.typed", "*.pyi", "zoo.toml", "web/assets/*", "bundled/*", "bundled/pictures/*"]},
    ext_modules=[Extension("edge_pose._core", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    zip_safe=False,
)
