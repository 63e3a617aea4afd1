"""Give a network the seeded weights of a reference file, run it, and name the first layer that differs."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from tests.golden_weights import fill, make_input

TOLERANCE = 1e-4  # of the reference's standard deviation

Arrays = dict[str, np.ndarray]


def parameter_count(build: Callable[[], nn.Module]) -> int:
    with torch.device("meta"):  # shapes without memory
        return sum(p.numel() for p in build().parameters())


def layout(net: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(key, tuple(value.shape)) for key, value in net.state_dict().items()]


def spec_layout(spec: dict[str, Any], rename: Callable[[str], str] = str) -> list[tuple[str, tuple[int, ...]]]:
    return [(rename(key), tuple(shape)) for key, shape in spec["keys"]]


def load_seeded(net: nn.Module, spec: dict[str, Any], rename: Callable[[str], str] = str) -> nn.Module:
    """Weights by the rule of the spec, drawn under its names and loaded under those that rename makes of them."""
    weights = fill(spec["keys"], spec["seed"], spec["gain"], spec.get("constants"))
    net.load_state_dict({rename(key): torch.from_numpy(np.array(w)) for key, w in weights.items()}, assign=True)
    return net.eval()


def seeded_input(spec: dict[str, Any]) -> torch.Tensor:
    return torch.from_numpy(make_input(spec["input_shape"], spec["input_seed"]))


def error_in_stds(got: np.ndarray, want: np.ndarray) -> float:
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / want.std())


@contextmanager
def recorded(net: nn.Module, stages: dict[str, str]) -> Iterator[Arrays]:
    """Outputs of the modules that stages names, by stage.

    "stage3.1" is item 1 of the list that module stage3 returns.
    """
    outputs: Arrays = {}
    modules = dict(net.named_modules())

    def keep(stage: str, item: int | None) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # The next layer may work in place: keep a copy.
            outputs[stage] = (output if item is None else output[item]).detach().numpy().copy()

        return hook

    hooks = []
    for stage, module in stages.items():
        parent, _, item = module.rpartition(".")
        if parent.startswith("stage") and item.isdigit():
            hooks.append(modules[parent].register_forward_hook(keep(stage, int(item))))
        else:
            hooks.append(modules[module].register_forward_hook(keep(stage, None)))
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def onnx_file(net: nn.Module, x: torch.Tensor) -> bytes:
    """The graph of net with input "x" of any batch size."""
    file = io.BytesIO()
    options: dict[str, Any] = {"dynamo": False, "opset_version": 17, "dynamic_axes": {"x": {0: "n"}}}
    with warnings.catch_warnings():
        # torch announces the end of this exporter, whose graphs are the plainest.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(net, (x,), file, input_names=["x"], **options)
    return file.getvalue()


def check_onnx(net: nn.Module, x: torch.Tensor) -> None:
    """Traced with the first row of x alone, the graph gives for all of x what net gives."""
    session = onnxruntime.InferenceSession(onnx_file(net, x[:1]), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        result = net(x)
    results = result if isinstance(result, tuple) else (result,)
    for got, want in zip(session.run(None, {"x": x.numpy()}), results, strict=True):
        assert error_in_stds(got, want.numpy()) <= TOLERANCE


def check_stages(outputs: Arrays, stats: dict[str, Any]) -> None:
    """Fail at the first stage, in the order of the reference, whose samples differ."""
    for stage, want in stats.items():
        got = outputs[stage]
        assert list(got.shape) == want["shape"], f"first layer that differs: {stage}, in its shape"
        samples = got.reshape(-1)[np.asarray(want["pos"])]
        error = np.abs(samples - np.asarray(want["val"], np.float32)).max() / want["std"]
        moments = np.abs(np.array([got.mean() - want["mean"], got.std() - want["std"]])).max() / want["std"]
        assert max(error, moments) <= TOLERANCE, (
            f"first layer that differs: {stage}, by {error:.1e} (samples) and {moments:.1e} (mean, std) of its std"
        )


def check_network(
    net: nn.Module,
    spec: dict[str, Any],
    want: Arrays,
    rename: Callable[[str], str] = str,
    stages: dict[str, str] | None = None,
) -> None:
    """Names, order and shapes of the weights, every recorded stage, and every array `out*` of the reference.

    rename: the reference's name of a weight -> ours; stages: the reference's name of a stage -> our module.
    """
    assert layout(net) == spec_layout(spec, rename)
    load_seeded(net, spec, rename)
    stats = spec["stage_stats"]
    with torch.inference_mode(), recorded(net, {stage: (stages or {}).get(stage, stage) for stage in stats}) as outputs:
        result = net(seeded_input(spec))
    check_stages(outputs, stats)
    results = result if isinstance(result, tuple) else (result,)
    references = [array for name, array in want.items() if name.startswith("out")]
    for got, reference in zip(results, references, strict=True):
        assert error_in_stds(got.numpy(), reference) <= TOLERANCE
