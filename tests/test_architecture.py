"""The house rules that a machine can hold: which way imports run, what is loaded, how long files are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edge_pose

ROOT = Path(__file__).parent.parent
FOLDERS = {"edge_pose": ROOT / "edge_pose", "edge_pose.models": ROOT / "models", "edge_pose.export": ROOT / "export"}

# Floors of the house: a module may import from floors below its own, and from itself.
FLOORS = [
    {"errors", "skeleton", "strict", "opencv", "redact"},
    {"poses", "spec", "frames", "download", "transfer"},
    {"geometry", "kernels"},
    {"decode", "backends", "zoo", "drawing"},
    {"estimators", "track", "smooth", "sources", "recording"},
    {"sinks", "fall"},
    {"web"},
    {"pipeline"},
    {"evaluate", "bench", "doctor", "extract"},
    {"models"},
    {"export"},
    {"cli"},
]
# Siblings on one floor that build on each other nevertheless, and why.
ALLOWED = {
    ("strict", "errors"),  # a reader raises our errors
    ("skeleton", "errors"),
    ("opencv", "errors"),
    ("frames", "errors"),
    ("download", "transfer"),  # one file over HTTP, in two
    ("fall", "sinks"),  # evidence clips are videos
    ("backends", "zoo"),  # engines are kept in its cache folder
}
HEAVY = {"torch", "torchvision"}
LAZY = {
    "cv2",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "torch",
    "onnx",
    "rich",
    "typer",
    "pycocotools",
    "supervision",
    "tomli_w",
    "scipy",
    "starlette",
    "uvicorn",
    "paho",
    "pyarrow",
    "ray",
    "matplotlib",
}


def modules():
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *(p for p in parts if p != "__init__")])
            yield name, path


def room(name):
    """The floor plan knows first-level names: edge_pose.decode.yolo lives in decode."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path, *, lazy_too=True):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)
    }
    typing_only = {
        id(n)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for n in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only or (not lazy_too and id(node) in lazy):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda v: v if isinstance(v, str) else "")
def test_imports_run_one_way(name, path):
    here = room(name)
    if not here:
        return  # the public names
    floor = next((i for i, rooms in enumerate(FLOORS) if here in rooms), None)
    assert floor is not None, f"{name} is on no floor: add it to FLOORS and to docs/design.md"
    below = set().union(*FLOORS[:floor], {here})
    known = set().union(*FLOORS)
    for target in imports(path):
        if target.startswith("edge_pose.") and (there := room(target)) in known:
            assert there in below or (here, there) in ALLOWED, f"{name} must not import {target}"


def test_nothing_but_the_command_line_imports_export_or_models():
    for name, path in modules():
        if room(name) in ("models", "export", "cli"):
            continue
        found = [t for t in imports(path) if t.startswith(("edge_pose.models", "edge_pose.export"))]
        assert not found, f"{name} imports {found}"


def test_only_kernels_imports_the_compiled_module():
    found = [name for name, path in modules() if any("_core" in target.split(".") for target in imports(path))]
    assert found == ["edge_pose.kernels"]


def test_torch_lives_in_models_and_export_only():
    found = {room(n) for n, path in modules() if any(t.partition(".")[0] in HEAVY for t in imports(path))}
    assert found <= {"models", "export"}


def test_optional_packages_are_imported_where_they_are_used():
    for name, path in modules():
        if room(name) in ("models", "export", "cli"):
            continue
        eager = {t.partition(".")[0] for t in imports(path, lazy_too=False)} & LAZY
        assert not eager, f"{name} imports {eager} at its top"


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, edge_pose; edge_pose.Poses.empty(); "
        "print(sorted({'torch','onnxruntime','tensorrt','cv2','onnx','typer','rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names():
    assert sorted(edge_pose.__all__) == sorted(
        [
            "__version__",
            "COCO17",
            "Boxes",
            "EdgePoseError",
            "Frame",
            "ModelSpec",
            "Pipeline",
            "Pose",
            "Poses",
            "Result",
            "Skeleton",
            "draw",
            "load",
            "open_source",
        ]
    )
    assert len(edge_pose.__all__) <= 20
    for name in edge_pose.__all__:
        assert getattr(edge_pose, name) is not None
    assert sorted(edge_pose.__all__) == dir(edge_pose)


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        edge_pose.laod  # noqa: B018


def test_no_file_is_long_and_most_are_short():
    sources = [path for _, path in modules()]
    sources += [p for p in (ROOT / "cpp_ext").rglob("*") if p.suffix in {".cpp", ".hpp", ".cu", ".cuh"}]
    lengths = sorted((len(p.read_text(encoding="utf-8").splitlines()), p.name) for p in sources)
    assert lengths[-1][0] <= 400, lengths[-3:]
    assert lengths[len(lengths) // 2][0] <= 120, lengths[len(lengths) // 2]


def test_every_error_is_also_a_builtin():
    from edge_pose import errors

    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.EdgePoseError) and error is not errors.EdgePoseError:
            assert any(
                b.__module__ == "builtins" and b not in (Exception, object, BaseException) for b in error.__mro__
            )
            assert error.__name__ in errors.__doc__
