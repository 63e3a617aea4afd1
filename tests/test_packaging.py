"""What people install: the wheel's contents, the sdist, what the compiled core shows, what a broken install says."""

import ast
import email
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import edge_pose
from edge_pose.strict import toml_values
from tests.conftest import missing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
# Where a source folder is in the wheel; the folders are all that is installed.
INSTALLED = {"edge_pose": "edge_pose", "models": "edge_pose/models", "export": "edge_pose/export"}
CORE = "edge_pose/_core" + sysconfig.get_config_var("EXT_SUFFIX")
CUDA = "edge_pose/_cuda" + sysconfig.get_config_var("EXT_SUFFIX")  # only where a CUDA toolkit is found
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
# Import names whose distribution is called otherwise, and those that no extra can promise.
DISTRIBUTION = {"paho": "paho-mqtt", "cv2": "opencv-python", "tomli_w": "tomli-w"}
OF_THE_USER = {"supervision", "tensorrt", "tensorrt_rtx"}
STANDARD = sys.stdlib_module_names | {"tomllib", "edge_pose"}  # the former is new in Python 3.11


def tracked() -> set[str]:
    """Files that the repository holds and the disk still has."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        missing("git's list of files")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in names.split("\0") if name and (ROOT / name).is_file()}


def build(source: Path, output: Path, *what: str) -> None:
    """Run the build in this environment, apart from the checkout and its build folder."""
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", output, source]
    environment = os.environ | {"CMAKE_EXPORT_COMPILE_COMMANDS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """The files of the repository, and the wheel and the sdist built of them in dist/."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    build(folder, folder / "dist", "--sdist", "--wheel")
    return folder


@pytest.fixture(scope="session")
def wheel(checkout):
    with zipfile.ZipFile(only(checkout / "dist", "*.whl")) as opened:
        yield opened


@pytest.fixture(scope="session")
def sdist(checkout):
    with tarfile.open(only(checkout / "dist", "*.tar.gz")) as opened:
        yield opened


@pytest.fixture(scope="session")
def site(checkout, tmp_path_factory):
    """A folder that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder]
    subprocess.run([*pip, only(checkout / "dist", "*.whl")], check=True)
    return folder


@pytest.fixture
def copy(site, tmp_path):
    """The installed package without its compiled core, for breaking."""
    shutil.copytree(site / "edge_pose", tmp_path / "edge_pose")
    (tmp_path / CORE).unlink()
    return tmp_path


def python(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where `site` is installed and the checkout is not: -S ignores the editable install."""
    path = os.pathsep.join([str(site), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def metadata(wheel: zipfile.ZipFile, name: str = "METADATA") -> email.message.Message:
    (path,) = (n for n in wheel.namelist() if n.endswith(f".dist-info/{name}"))
    return email.message_from_string(wheel.read(path).decode())


def contents(wheel: zipfile.ZipFile) -> tuple[set[str], set[str]]:
    """Names of the wheel's files, and of those in its dist-info folder."""
    info = f"edge_pose-{edge_pose.__version__}.dist-info/"
    names = set(wheel.namelist())
    return {n for n in names if not n.startswith(info)}, {n[len(info) :] for n in names if n.startswith(info)}


def test_the_wheel_holds_the_three_source_folders_and_the_core(wheel):
    wanted = {CORE}
    for name in tracked():
        folder, _, rest = name.partition("/")
        if folder in INSTALLED and rest:
            wanted.add(f"{INSTALLED[folder]}/{rest}")
    package, info = contents(wheel)
    assert package - {CUDA} == wanted
    assert info == DIST_INFO


def test_the_wheel_holds_no_tests_sources_or_media(wheel):
    package, _ = contents(wheel)
    assert {PurePosixPath(n).parts[0] for n in package} == {"edge_pose"}
    page = {".html", ".css", ".js", ".svg"}  # of edge_pose/web
    bundled = {n for n in package if n.startswith("edge_pose/bundled/")}  # all of it our own: tools/render, training
    assert {PurePosixPath(n).suffix for n in bundled} <= {".onnx", ".mp4", ".jpg", ".json"}
    assert {PurePosixPath(n).suffix for n in package - {CORE, CUDA} - bundled} <= {
        ".py",
        ".pyi",
        ".typed",
        ".toml",
        *page,
    }
    assert sum(wheel.getinfo(n).compress_size for n in bundled) <= 5_000_000
    assert not [n for n in package if "test" in PurePosixPath(n).stem]
    assert {"edge_pose/py.typed", "edge_pose/_core.pyi", "edge_pose/zoo.toml", "edge_pose/cli/__init__.py"} <= package
    assert {"edge_pose/models/__init__.py", "edge_pose/export/__init__.py"} <= package


def test_the_wheel_is_small(wheel):
    assert sum(info.compress_size for info in wheel.infolist()) < 5 * 2**20
    assert wheel.getinfo(CORE).file_size < 2 * 2**20


def test_metadata(wheel):
    about = metadata(wheel)
    assert (about["Name"], about["Version"]) == ("edge-pose", edge_pose.__version__)
    assert about["License-Expression"] == "Apache-2.0"
    assert about["License-File"] == "LICENSE"
    assert about["Requires-Python"] == ">=3.10"
    assert about["Description-Content-Type"] == "text/markdown"
    assert metadata(wheel, "WHEEL")["Root-Is-Purelib"] == "false"
    (entries,) = (n for n in wheel.namelist() if n.endswith("/entry_points.txt"))
    assert wheel.read(entries).decode().split("\n") == ["[console_scripts]", "edge-pose = edge_pose.cli:main", ""]


def test_every_import_is_a_declared_dependency(wheel):
    lines = [line for line in metadata(wheel).get_all("Requires-Dist") if 'extra == "test"' not in line]
    declared = {re.match(r"[\w.-]+", line).group() for line in lines}
    for name in contents(wheel)[0]:
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(wheel.read(name))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            tops = {m.partition(".")[0] for m in modules} - STANDARD - OF_THE_USER
            assert {DISTRIBUTION.get(top, top) for top in tops} <= declared, name


def test_torch_is_only_for_exporting(wheel):
    needs = [line for line in metadata(wheel).get_all("Requires-Dist") if line.startswith("torch")]
    assert needs
    assert all('extra == "export"' in line for line in needs)


def test_the_sdist_holds_what_a_build_needs(sdist):
    top = f"edge_pose-{edge_pose.__version__}"
    held = {name[len(top) + 1 :] for name in (m.name for m in sdist.getmembers() if m.isfile())}
    needed = {n for n in tracked() if n.partition("/")[0] in {*INSTALLED, "cpp_ext"} and "/" in n}
    needed |= {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "pyproject.toml", "setup.py"}
    made = {"PKG-INFO", "setup.cfg", "MANIFEST.in", "CHANGELOG.md"}
    assert {n for n in held if not n.startswith("edge_pose.egg-info/")} == needed | made


def test_a_wheel_of_the_sdist_is_the_same(sdist, wheel, tmp_path):
    extract = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    sdist.extractall(tmp_path, **extract)
    build(only(tmp_path, "edge_pose-*"), tmp_path / "dist", "--wheel")
    with zipfile.ZipFile(only(tmp_path / "dist", "*.whl")) as again:
        assert set(again.namelist()) == set(wheel.namelist())
        different = {i.filename for i in again.infolist() if i.CRC != wheel.getinfo(i.filename).CRC}
    built_here = {PurePosixPath(name).name for name in (CORE, CUDA)}
    assert {PurePosixPath(name).name for name in different} <= built_here | {"RECORD"}


def test_an_installed_wheel_works_anywhere(site, tmp_path):
    code = (
        "import importlib.metadata, numpy as np, edge_pose, edge_pose.kernels as k, edge_pose.geometry\n"
        "print(edge_pose.__file__, edge_pose.__version__, importlib.metadata.version('edge-pose'))\n"
        "print(k.nms(np.float32([[0, 0, 9, 9], [0, 0, 9, 9]]), np.float32([.5, .9]), iou=0.5).tolist())\n"
    )
    done = python(site, tmp_path, "-W", "error", "-c", code)
    version = edge_pose.__version__
    assert done.stdout.splitlines() == [f"{site / 'edge_pose' / '__init__.py'} {version} {version}", "[1]"], done.stderr


def test_the_installed_command_works(site, tmp_path):
    done = python(site, tmp_path, str(site / "bin" / "edge-pose"), "--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"edge-pose {edge_pose.__version__}"), done.stderr


@pytest.mark.parametrize("name", ["models", "export"])
def test_source_folders_are_not_packages_of_their_own(site, tmp_path, name):
    installed = python(site, tmp_path, "-c", f"import {name}")
    assert installed.returncode == 1
    assert installed.stderr.splitlines()[-1] == f"ModuleNotFoundError: No module named '{name}'"
    # In the checkout the folder is in reach.
    found = python(site, ROOT, "-c", f"import {name}")
    assert found.returncode == 1
    assert f"ImportError: import edge_pose.{name}, not {name}:" in found.stderr.splitlines()[-1]


def test_a_core_that_was_not_built(copy, tmp_path):
    done = python(copy, tmp_path, "-c", "import edge_pose.kernels")
    assert done.stderr.splitlines()[-1] == "ImportError: the compiled core is missing: run `pip install -e .`"


@pytest.mark.parametrize(
    ("file", "content", "cause"),
    [
        (CORE, b"not a library" * 9, "invalid ELF header"),
        ("edge_pose/_core.py", b"", "cannot import name"),  # built before a function was added
        ("edge_pose/_core.py", b"import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_broken_core_says_why(copy, tmp_path, file, content, cause):
    (copy / file).write_bytes(content)
    done = python(copy, tmp_path, "-c", "import edge_pose.kernels")
    assert "The above exception was the direct cause" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: the compiled core does not load (")
    assert cause in last
    assert "run `pip install -e .`" in last


def test_the_core_shows_its_entry_alone(site):
    if shutil.which("nm") is None:
        missing("nm of the binutils")
    shown = subprocess.run(["nm", "-D", "--defined-only", site / CORE], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in shown.stdout.splitlines()] == ["PyInit__core"]
    inner = subprocess.run(["nm", site / CORE], capture_output=True, text=True, check=True)
    assert inner.stdout == ""  # stripped


def test_the_core_knows_nothing_of_the_machine_that_built_it(checkout, site):
    assert str(checkout).encode() not in (site / CORE).read_bytes()
    (commands,) = checkout.glob("build/*/compile_commands.json")
    for entry in json.loads(commands.read_text(encoding="utf-8")):
        flags = entry["command"].split()
        tuned = [f for f in flags if re.match(r"-m(arch|cpu|tune|avx|sse|fma|f16c)|-Ofast|-ffast-math", f)]
        assert not tuned, entry["file"]
        assert {"-O3", "-fvisibility=hidden"} <= set(flags)
        if "/bindings/" not in entry["file"]:
            assert "-ffp-contract=off" in flags


def test_only_code_named_for_it_uses_more_than_the_oldest_cpu(checkout):
    """Code with intrinsics is entered after asking the CPU, and no function of its file may replace a common one."""
    if platform.machine() != "x86_64" or shutil.which("objdump") is None:
        pytest.skip("asks objdump about x86-64 code")
    objects = list(checkout.glob("build/*/CMakeFiles/edge_pose_core.dir/**/*.o"))
    assert any("_avx" in path.name for path in objects)
    for path in objects:
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
        _, *functions = re.split(r"^[0-9a-f]+ <(.*)>:$", code.stdout, flags=re.MULTILINE)
        for name, body in zip(functions[::2], functions[1::2], strict=True):
            wide = re.search(r"^.*(%[yz]mm|\tv\w+\s.*%xmm).*$", body, re.MULTILINE)
            assert wide is None or "_avx" in path.name or "avx" in name, f"{path.name}, {name}: {wide.group()}"
        if "_avx" in path.name:
            symbols = subprocess.run(["nm", "-C", "--defined-only", path], capture_output=True, text=True, check=True)
            assert not re.findall(r"^\w+ [WVu] .*$", symbols.stdout, re.MULTILINE), path.name


def test_the_tests_extra_holds_what_a_build_needs():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = toml_values(text)
    build_needs = {re.match(r"[\w-]+", r).group() for r in project["build-system"]["requires"]}
    test_extra = {re.match(r"[\w-]+", r).group() for r in project["project"]["optional-dependencies"]["test"]}
    assert build_needs | {"build"} <= test_extra
    # The Makefile reads them from the one line of that name.
    assert re.search(r"^requires = \[.*\]$", text, re.MULTILINE)
