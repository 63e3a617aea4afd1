"""Which names each version of TensorRT has, from tests/golden/tensorrt_api.json."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parent.parent / "golden" / "tensorrt_api.json"
DRIVEN = ("8.6.1", "10.3.0", "10.13.3.9", "10.16.1.11", "11.4.0.106")


@dataclass(frozen=True)
class Api:
    """One version: its classes and their members."""

    version: str
    members: dict[str, frozenset[str]]

    @property
    def interface(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))


@cache
def versions() -> tuple[str, ...]:
    return tuple(json.loads(TABLE.read_text(encoding="utf-8"))["versions"])


@cache
def api(version: str) -> Api:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    at = table["versions"].index(version)
    members = {}
    for name, entry in table["classes"].items():
        if entry["in"][at] == "1":
            members[name] = frozenset(
                word for mask, words in entry["members"].items() if mask[at] == "1" for word in words.split()
            )
    return Api(version, members)
