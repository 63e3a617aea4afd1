"""Model names: what zoo.toml says, whether it fits real files, and where files are found and fetched from."""

import hashlib
import io
import logging
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_pose import transfer, zoo
from edge_pose.errors import ChecksumError, ModelNotFoundError, OutputError, SpecError
from edge_pose.spec import ModelSpec
from tests.file_server import Answer, serve

NAMES = sorted(zoo.entries())
FILES = [(name, file) for name, entry in zoo.entries().items() for file in entry.files]
ASSETS = {
    "movenet-lightning": "models/movenet_lightning.onnx",
    "pp-tinypose": "models/pp_tinypose_256x192.onnx",
    "yolov5n": "models/yolov5n.onnx",
    "yolov8n-pose": "models/yolov8n-pose.onnx",
}
MODEL = b"no real model" * 1000
SUM = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only this test's own empty cache exists; retries do not wait."""
    for name in ("EDGE_POSE_MODELS", "EDGE_POSE_OFFLINE", "XDG_CACHE_HOME", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "BACKOFF_S", 0.0)
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGE_POSE_CACHE", str(folder))
    return folder


def put(folder: Path, name: str, content: bytes = MODEL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def table(*files: dict[str, Any]) -> dict[str, Any]:
    """Return an entry as zoo.toml has it."""
    spec = {
        "task": "pose",
        "transform": "letterbox",
        "input": {"height": 64, "width": 64},
        "decode": {"family": "yolo"},
    }
    return {"summary": "a", "homepage": "https://a", "license": "MIT", "spec": spec, "files": list(files)}


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put one model, "small", into the zoo in place of all others."""

    def stock(*more: dict[str, Any], **file: Any) -> None:
        tables = {"small": table(*more, file)}
        monkeypatch.setattr(zoo, "_tables", lambda: tables)
        monkeypatch.setattr(zoo, "_shipped", lambda name: zoo.read_entry(name, tables[name]))

    return stock


def test_the_models_that_were_promised_are_there() -> None:
    promised = "movenet-lightning movenet-thunder yolov8n-pose yolo11n-pose yolov5n hrnet-w32 hrnet-w48 pp-tinypose"
    assert set(promised.split()) | {"rtmpose-t", "rtmpose-s", "rtmpose-m"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_complete_and_its_spec_survives_a_round_trip(name: str) -> None:
    entry = zoo.entries()[name]
    assert entry.name == entry.spec.name == name
    assert entry.license == entry.spec.license != ""
    assert entry.homepage == entry.spec.source
    assert entry.homepage.startswith("https://")
    assert ModelSpec.from_toml(entry.spec.to_toml()) == ModelSpec.from_json(entry.spec.to_json()) == entry.spec
    assert entry.downloads() or zoo.find(name) == zoo.BUNDLED / entry.file_names[0]


@pytest.mark.parametrize(("name", "file"), FILES, ids=[f"{name}-{file.names[0]}" for name, file in FILES])
def test_addresses_are_secure_and_sums_are_whole_or_say_so_in_the_name(name: str, file: zoo.ModelFile) -> None:
    assert all(url.startswith("https://") and "@" not in url for url in file.urls)
    assert len(file.sha256) in (0, 64) or f"-{file.sha256}_" in file.names[0]
    assert file.sha256 or not (file.urls and file.kind == "onnx")  # what runs is checked
    assert {".onnx": "onnx", ".pt": "torch", ".pth": "torch", ".tflite": "tflite"}.get(
        Path(file.names[0]).suffix, "paddle"
    ) == file.kind


def test_no_sum_is_listed_twice() -> None:
    sums = [file.sha256 for _, file in FILES if file.sha256]
    assert len(sums) == len(set(sums))


@pytest.mark.parametrize(("name", "path"), ASSETS.items())
def test_the_spec_fits_the_real_file(name: str, path: str, asset: Callable[[str], Path]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(asset(path)), providers=["CPUExecutionProvider"])
    spec, (tensor,) = zoo.entries()[name].spec, session.get_inputs()
    h, w = spec.input.hw
    assert tensor.shape == ([1, h, w, 3] if spec.input.layout == "NHWC" else [1, 3, h, w])
    assert tensor.type == {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[spec.input.dtype]
    shapes = {
        "movenet-lightning": [1, 1, 17, 3],
        "pp-tinypose": [1, 17, h // 4, w // 4],
        "yolov5n": [1, 25200, 5 + getattr(spec.decode, "classes", 0)],
        "yolov8n-pose": [1, 4 + getattr(spec.decode, "classes", 0) + 51, 8400],
    }
    assert [output.shape for output in session.get_outputs()] == [shapes[name]]


@pytest.mark.parametrize(("name", "path"), ASSETS.items())
def test_a_real_file_is_recognised_by_its_sum_wherever_it_is(
    name: str, path: str, asset: Callable[[str], Path], tmp_path: Path
) -> None:
    copy = put(tmp_path, "renamed.onnx", asset(path).read_bytes())
    assert zoo.resolve(copy) == (copy, zoo.entries()[name].spec)
    changed = bytearray(copy.read_bytes())
    changed[-1] ^= 1
    copy.write_bytes(changed)
    assert zoo.resolve(copy) == (copy, None)


@pytest.mark.parametrize(("name", "path"), ASSETS.items())
def test_a_real_file_is_found_by_name_and_known(
    name: str, path: str, asset: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_POSE_MODELS", str(asset("models")))
    entry = zoo.entries()[name]
    assert zoo.resolve(name) == (asset(path), entry.spec)
    assert zoo.status(entry) == zoo.Status(entry, "ready", asset(path), asset(path).stat().st_size, True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"licence": "MIT"}, r"unknown field small\.licence: did you mean 'license'\?"),
        ({"files": [{"names": ["a"], "kind": "onxn"}]}, r"small\.files\[0\]\.kind must be one of onnx, torch"),
        ({"files": [{"kind": "onnx"}]}, r"missing field small\.files\[0\]\.names"),
        ({"files": [{"names": [], "kind": "onnx"}]}, r"names must be plain file names, got \[\]"),
        ({"files": [{"names": ["../a"], "kind": "onnx"}]}, r"names must be plain file names, got \['\.\./a'\]"),
        ({"files": [{"names": ["a"], "kind": "onnx", "sha256": "ABCDEF12"}]}, "a: sha256 must be 8 to 64 lower-case"),
        ({"files": [{"names": ["a"], "kind": "onnx", "member": "b"}]}, "a: member needs the urls"),
        ({"spec": {"task": "pose"}}, r"missing field small\.spec\.input"),
        ({"spec": "letterbox"}, r"small\.spec must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_named(change: dict[str, Any], match: str) -> None:
    with pytest.raises(SpecError, match=match):
        zoo.read_entry("small", {**table({"names": ["a"], "kind": "onnx"}), **change})


def test_models_folders_are_searched_in_order_and_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("EDGE_POSE_MODELS", f"{one}:{two}:")
    for folder in (cache, two, one):
        path = put(folder, "hrnet_w32_256x192.onnx")
        assert zoo.find("hrnet-w32") == path
        assert zoo.resolve("hrnet-w32") == (path, zoo.entries()["hrnet-w32"].spec)


def test_the_current_folder_is_no_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "hrnet_w32.onnx")
    monkeypatch.chdir(tmp_path)
    for value in ("", ":"):
        monkeypatch.setenv("EDGE_POSE_MODELS", value)
        assert zoo.find("hrnet-w32") is None


@pytest.mark.parametrize("file", ["hrnet_w32_256x192.onnx", "hrnet_w32.onnx", "hrnet-w32.onnx"])
def test_a_model_may_go_by_any_of_its_file_names(cache: Path, file: str) -> None:
    path = put(cache, file)
    assert zoo.find("hrnet-w32") == path


def test_a_name_of_ones_own_finds_its_file_which_has_no_spec_in_the_zoo(cache: Path) -> None:
    path = put(cache, "mine.onnx")
    assert zoo.resolve("mine") == (path, None)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"EDGE_POSE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/edge-pose"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/edge-pose"),
        ({}, "/home/me/.cache/edge-pose"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    monkeypatch.delenv("EDGE_POSE_CACHE")
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    assert zoo.cache_folder() == Path(folder)


def test_without_a_home_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_POSE_CACHE")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OutputError, match=r"set \$EDGE_POSE_CACHE to a folder"):
        zoo.cache_folder()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (
            "yolov8n-pos",
            r"no model 'yolov8n-pos': did you mean 'yolov8n-pose'.*looked for yolov8n-pos\.onnx in .*cache",
        ),
        ("zebra", "no model 'zebra': known are edge-pose-nano, hrnet-w32, hrnet-w48"),
        ("", "no model '': known are"),
        ("models/zebra", "^no file models/zebra$"),
        ("yolov8n-pose.onnx", r"^no file yolov8n-pose\.onnx; the zoo has a model 'yolov8n-pose'$"),
        ("zebra.engine", r"^no file zebra\.engine$"),
        ("x" * 5000, "cannot look for x+: File name too long"),
    ],
)
def test_what_cannot_be_found_says_what_was_probably_meant(given: str, match: str) -> None:
    with pytest.raises(ModelNotFoundError, match=match):
        zoo.resolve(given)


def test_finding_nothing_is_none() -> None:
    assert [zoo.find(given) for given in ("hrnet-w32", "zebra", "a/b.onnx")] == [None, None, None]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (
            "hrnet-w32",
            r"looked for hrnet_w32_256x192\.onnx or .*: make it with `edge-pose export hrnet-w32`.*or put hrnet",
        ),
        ("pp-tinypose", r"paddle2onnx .*or put pp_tinypose_256x192\.onnx into a folder of \$EDGE_POSE_MODELS"),
    ],
)
def test_a_model_that_nobody_publishes_ready_to_run_says_how_to_make_it(name: str, match: str) -> None:
    with pytest.raises(ModelNotFoundError, match=match):
        zoo.resolve(name)
    assert zoo.status(zoo.entries()[name]).state == "needs export"


def test_a_model_is_fetched_once_and_then_found(cache: Path, shelf: Callable[..., None]) -> None:
    seen: list[tuple[int, int | None]] = []
    with serve(MODEL) as web:
        shelf(names=["small_64.onnx", "small.onnx"], kind="onnx", urls=[web.url], sha256=SUM, size=len(MODEL))
        entry = zoo.entries()["small"]
        assert zoo.status(entry) == zoo.Status(entry, "not fetched", None, len(MODEL), None)
        path, spec = zoo.resolve("small", progress=lambda *now: seen.append(now))
        assert (path, spec) == (cache / "small_64.onnx", entry.spec)
        assert zoo.resolve("small") == (path, spec)
        assert zoo.fetch_model("small") == path
    assert path.read_bytes() == MODEL
    assert len(web.requests) == 1
    assert seen[-1] == (len(MODEL), len(MODEL))
    assert zoo.status(entry) == zoo.Status(entry, "ready", path, len(MODEL), True)


def test_a_model_inside_an_archive_is_taken_out(cache: Path, shelf: Callable[..., None]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("2023/rtm/end2end.onnx", MODEL)
        file.writestr("2023/rtm/pipeline.json", "{}")
    with serve(archive.getvalue()) as web:
        shelf(names=["small.onnx"], kind="onnx", urls=[web.url], member="end2end.onnx", sha256=SUM)
        assert zoo.resolve("small")[0].read_bytes() == MODEL
    assert [path.name for path in cache.iterdir()] == ["small.onnx"]


def test_a_download_that_is_not_the_model_is_an_error_and_leaves_nothing(
    cache: Path, shelf: Callable[..., None]
) -> None:
    with serve(b"<html>sorry</html>") as web:
        shelf(names=["small.onnx"], kind="onnx", urls=[web.url], sha256=SUM)
        with pytest.raises(ChecksumError, match=SUM):
            zoo.resolve("small")
    assert list(cache.iterdir()) == []
    assert zoo.find("small") is None


def test_offline_and_when_told_so_nothing_touches_the_network(
    cache: Path, shelf: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(MODEL) as web:
        shelf(names=["small.onnx"], kind="onnx", urls=[web.url], sha256=SUM)
        with pytest.raises(ModelNotFoundError, match="nothing may be fetched: run `edge-pose models fetch small`"):
            zoo.resolve("small", fetch=False)
        monkeypatch.setenv("EDGE_POSE_OFFLINE", "1")
        with pytest.raises(ModelNotFoundError, match=r"looked for small\.onnx in .*, and \$EDGE_POSE_OFFLINE is set"):
            zoo.resolve("small")
        with pytest.raises(ModelNotFoundError, match=r"small\.onnx is not there, and \$EDGE_POSE_OFFLINE is set"):
            zoo.fetch_model("small")
        path = put(cache, "small.onnx")
        assert zoo.resolve("small")[0] == zoo.fetch_model("small") == path
        assert web.requests == []
        monkeypatch.setenv("EDGE_POSE_OFFLINE", "0")
        path.unlink()
        zoo.resolve("small")
    assert len(web.requests) == 1


def test_weights_to_export_from_are_fetched_on_request(cache: Path, shelf: Callable[..., None]) -> None:
    with serve(MODEL, Answer(status=404)) as web:
        shelf(names=["small.pt"], kind="torch", urls=[f"http://{web.host}/gone", web.url], sha256=SUM[:8])
        with pytest.raises(ModelNotFoundError, match="edge-pose export small"):
            zoo.resolve("small")
        with pytest.raises(ModelNotFoundError, match="small has no onnx file to fetch"):
            zoo.fetch_model("small", kind="onnx")
        assert zoo.fetch_model("small") == zoo.fetch_model("small", kind="torch") == cache / "small.pt"
    assert zoo.status(zoo.entries()["small"]).state == "needs export"


def test_what_runs_is_fetched_rather_than_what_must_be_exported(cache: Path, shelf: Callable[..., None]) -> None:
    with serve(MODEL) as web:
        shelf(
            {"names": ["small.pt"], "kind": "torch", "urls": [web.url]}, names=["a.onnx"], kind="onnx", urls=[web.url]
        )
        assert zoo.fetch_model("small") == cache / "a.onnx"
        assert zoo.fetch_model("small", kind="torch") == cache / "small.pt"


def test_fetching_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean 'rtmpose-"):
        zoo.fetch_model("rtmpose")


def test_a_local_file_with_another_sum_is_used_and_reported(
    cache: Path, shelf: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    shelf(names=["small.onnx"], kind="onnx", sha256=SUM, size=len(MODEL))
    entry = zoo.entries()["small"]
    path = put(cache, "small.onnx", MODEL[:-1] + b"!")
    assert zoo.status(entry).known is False
    put(cache, "small.onnx", MODEL + b"!")
    with caplog.at_level(logging.INFO):
        assert zoo.resolve("small") == (path, entry.spec)
    assert f"{path} is none of the files that the zoo lists for small" in caplog.text
    assert zoo.status(entry).known is False


def test_nothing_is_said_of_a_file_where_the_zoo_lists_no_sum(cache: Path) -> None:
    put(cache, "hrnet_w32.onnx")
    assert zoo.status(zoo.entries()["hrnet-w32"]).known is None


@pytest.mark.parametrize(
    ("file", "size", "dtype"),
    [
        ("yolov5n.onnx", 7525680, "float32"),
        ("yolov5n.onnx", 3981910, "float16"),  # the release's own file, under its own name
        ("yolov5n_fp16.onnx", 3981910, "float16"),  # the same in the cache
        ("yolov5n.onnx", 1000, "float32"),  # somebody's export
        ("yolov5n_fp16.onnx", 1000, "float16"),
    ],
)
def test_the_half_precision_release_of_yolov5n_gets_half_precision_input(
    cache: Path, file: str, size: int, dtype: str
) -> None:
    path = put(cache, file, bytes(size))
    found, spec = zoo.resolve("yolov5n")
    assert found == path
    assert spec is not None
    assert spec.input.dtype == dtype


def test_a_start_with_a_local_model_loads_neither_the_network_nor_more_than_is_needed(cache: Path) -> None:
    put(cache, "hrnet_w32.onnx")
    code = (
        "import sys, edge_pose\n"
        "assert 'edge_pose.zoo' not in sys.modules\n"
        "from edge_pose import zoo\n"
        "assert not zoo._tables.cache_info().currsize\n"
        "zoo.resolve('hrnet-w32')\n"
        "assert zoo._shipped.cache_info().currsize == 1\n"
        "assert not {'urllib.request', 'edge_pose.download', 'cv2', 'onnxruntime', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
