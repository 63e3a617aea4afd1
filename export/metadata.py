"""The specification inside an ONNX file: one JSON document in metadata_props["edge_pose"]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_pose import __version__
from edge_pose.estimators.load import METADATA_KEY
from edge_pose.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

PRODUCER = "edge-pose"


def write_spec(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Put a specification into a graph in hand, in the place of the one that it has; other properties stay."""
    kept = [(prop.key, prop.value) for prop in model.metadata_props if prop.key != METADATA_KEY]
    del model.metadata_props[:]
    for key, value in (*kept, (METADATA_KEY, spec.to_json())):
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = PRODUCER, __version__
    model.graph.name = spec.name


def read_spec(model: onnx.ModelProto) -> ModelSpec | None:
    """Return the specification that a graph carries, None where it carries none. Raises SpecError for a broken one."""
    own = {prop.key: prop.value for prop in model.metadata_props}.get(METADATA_KEY)
    return ModelSpec.from_json(own) if own else None
