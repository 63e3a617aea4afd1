"""The README is run: every block of commands or Python, in order, in one folder, as a reader would."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]

# Reasons that a comment `<!-- not run: REASON -->` over a block may give, and what a block of that reason looks like.
NOT_RUN = {"installs": r"\b(pip install|make \w+|git clone)\b"}
# Blocks that show something and run nowhere.
SHOWN = {"text", "json", "toml"}
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^```(?P<kind>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block: where it stands, what it is, and why it is not run (None: it is)."""

    line: int
    kind: str
    code: str
    reason: str | None


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, found.start("kind")) + 1, found["kind"], found["code"], found["reason"])
        for found in FENCE.finditer(text)
    ]


BLOCKS = blocks(README)
RUN = [block for block in BLOCKS if block.kind in {"bash", "python"} and block.reason is None]


class Reader:
    """Runs the blocks one after the other in one folder; each may use what those before it wrote.

    Python goes on where the Python before it ended: it runs after that, in one interpreter.
    """

    def __init__(self, folder: Path, models: str) -> None:
        self.folder = folder
        self.results: list[subprocess.CompletedProcess[str]] = []
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = os.environ | {"PATH": search, "EDGE_POSE_MODELS": models, "NO_COLOR": "1"}

    def result(self, index: int) -> subprocess.CompletedProcess[str]:
        for at in range(len(self.results), index + 1):
            if RUN[at].kind == "bash":
                command = ["bash", "-euo", "pipefail", "-c", RUN[at].code]
            else:
                command = [sys.executable, "-c", "".join(b.code for b in RUN[: at + 1] if b.kind == "python")]
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            self.results.append(done)
        return self.results[index]


@pytest.fixture(scope="module")
def reader(tmp_path_factory, asset):
    folder = tmp_path_factory.mktemp("readme")
    for name in ("docs/images", "examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
    return Reader(folder, os.environ.get("EDGE_POSE_MODELS") or str(asset("models")))


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(RUN)), ids=[f"line-{block.line}-{block.kind}" for block in RUN])
def test_block_runs(reader, index):
    done = reader.result(index)
    where = f"README.md:{RUN[index].line}\n{RUN[index].code}\n"
    assert done.returncode == 0, where + done.stdout[-2000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stderr, where + done.stderr[-4000:]


def test_there_is_something_to_run():
    assert {block.kind for block in RUN} == {"bash", "python"}


def test_blocks_that_are_not_run_say_why():
    assert {block.reason for block in BLOCKS if block.reason} == set(NOT_RUN)
    for block in BLOCKS:
        assert block.kind in {"bash", "python"} | SHOWN, f"README.md:{block.line}: a block of kind {block.kind!r}"
        if block.reason:
            assert re.search(NOT_RUN[block.reason], block.code), f"README.md:{block.line} could be run"
        elif block.kind == "bash":
            looks = [reason for reason, pattern in NOT_RUN.items() if re.search(pattern, block.code)]
            assert not looks, f"README.md:{block.line} {looks[0]}: say so in a comment over it"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_fence_is_read_and_python_parses(document):
    fences = re.findall(r"^\s*```", document.read_text(encoding="utf-8"), re.MULTILINE)
    found = blocks(document)
    assert len(fences) == 2 * len(found)
    for block in found:
        if block.kind == "python":
            ast.parse(block.code, filename=f"{document.name}:{block.line}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"", text)
    for target in targets:
        if not re.match(r"[a-z]+:", target) and not target.startswith("#"):
            assert (document.parent / target.partition("#")[0]).exists(), f"{document.name} links to {target}"
