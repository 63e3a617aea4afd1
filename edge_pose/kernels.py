"""The compiled core's functions, by name. The only module that imports `_core`; its docstrings say the contracts."""

try:
    from edge_pose import _core
except ImportError as err:
    raise ImportError("the compiled core is missing: run `pip install -e .`") from err

__all__: list[str] = []
