"""The table of docs/tensorrt.md, from what the tests of every network wrote: python benchmarks/engines.py RESULT.xml...

The results come from (each network in each precision, TensorRT-RTX, every compute capability that takes it):

    pytest -m "" -k every_network -o junit_family=xunit1 --junitxml=RESULT.xml tests/export/test_tensorrt_models.py
"""

import argparse
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PRECISIONS = ("fp32", "fp16", "int8")
CASE = re.compile(r"test_every_network\w*\[(.+)-(fp32|fp16|int8)\]")


def measured(files: list[Path]) -> dict[str, dict[str, dict[str, float]]]:
    """What was recorded, by network, precision and name; only what passed."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for case in (case for file in files for case in ElementTree.parse(file).iter("testcase")):
        name = CASE.fullmatch(case.get("name", ""))
        values = {item.get("name", ""): float(item.get("value", "nan")) for item in case.iter("property")}
        if name is not None and values:
            found.setdefault(name[1], {})[name[2]] = values
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    found = measured(parser.parse_args().results)
    heads = [f"{what} {precision}" for what in ("build s,", "engine MB,") for precision in PRECISIONS]
    print(f"| network | {' | '.join(heads)} |\n|---{'|---' * len(heads)}|")
    for network, by_precision in found.items():
        rows = [by_precision.get(precision, {}) for precision in PRECISIONS]
        cells = [f"{row[key]:.1f}" if key in row else "–" for key in ("build_s", "engine_mb") for row in rows]
        print(f"| {network} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
