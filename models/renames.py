"""How names in a checkpoint may differ from ours by wrappers around the network, and which way fits best."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_pose.errors import CheckpointError
from edge_pose.models.keymaps import native_key, native_state
from edge_pose.models.movenet_plan import TABLE_NAMES

# DataParallel and DistributedDataParallel, torch.compile, training frameworks, averaging.
WRAPPERS = ("module.", "_orig_mod.", "model.", "ema.", "ema_model.", "net.", "network.", "state_dict.")

MAX_WRAPPERS = 6
# What training or older versions leave behind and inference never reads. Anchor grids repeat the anchors.
HARMLESS = ("num_batches_tracked", "anchor_grid", "total_ops", "total_params")
# Below that share of names and shapes a network is not worth mentioning.
LOOKS_LIKE = 0.3

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Renaming:
    """Our name -> the file's name, and in words what was done to get there ("" for nothing)."""

    names: Mapping[str, str]
    words: str


def best_renaming(given: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> Renaming:
    """Choose the way of naming by which most weights have the name and shape that the network wants."""

    def fit(way: Renaming) -> int:
        return sum(wanted.get(ours) == given[theirs] for ours, theirs in way.names.items())

    return max(renamings(list(given)), key=fit)


def renamings(names: Sequence[str]) -> Iterator[Renaming]:
    """Yield the ways of naming that we know, the plainest first."""
    ways = list(unwrappings(names))
    yield from ways
    for way in ways:
        yield Renaming({f"model.{ours}": theirs for ours, theirs in way.names.items()}, joined(way, "+model."))
    for way in ways:
        try:
            yield Renaming(native_state(way.names), joined(way, "mmpose's names"))
        except CheckpointError:
            continue  # two names would become one: not such a file


def unwrappings(names: Sequence[str]) -> Iterator[Renaming]:
    """Yield the names as they are, then without the wrapper that all of them share, and so on."""
    ours, words = list(names), ""
    for _ in range(MAX_WRAPPERS + 1):
        yield Renaming(dict(zip(ours, names, strict=True)), words)
        wrapper = next((w for w in WRAPPERS if ours and all(name.startswith(w) for name in ours)), None)
        if wrapper is None:
            return
        ours = [name.removeprefix(wrapper) for name in ours]
        words = f"{words}, -{wrapper}".removeprefix(", ")


def joined(way: Renaming, more: str) -> str:
    """Add to what was done."""
    return f"{way.words}, {more}".removeprefix(", ")


def look_alikes(given: Mapping[str, Shape], weights_only: bool = False) -> list[tuple[str, float]]:
    """Name the networks of the catalog that have these weights, best first, with the share of names that agree.

    A share of 1 is a network into which they load strictly; then it is the only one. weights_only: compare filters
    only, as a file has them whose normalisation is folded in, among a graph's constants.
    """
    from edge_pose.models import catalog  # it imports every network

    names = [name for name in given if name not in TABLE_NAMES and not name.endswith(HARMLESS)]
    if not any(name.endswith(".weight") for name in names):
        return []
    ways = [
        comparable({ours: given[theirs] for ours, theirs in way.names.items()}, weights_only)
        for way in unwrappings(names)
    ]
    fits = []
    for network in catalog.MODELS:
        wanted = comparable(catalog.signature(network), weights_only)
        fits.append((network, max(share(way, wanted) for way in ways)))
        if fits[-1][1] == 1:
            return fits[-1:]
    return sorted((item for item in fits if item[1] >= LOOKS_LIKE), key=lambda item: -item[1])


def comparable(shapes: Mapping[str, Shape], weights_only: bool) -> set[tuple[str, Shape]]:
    """Return the names and shapes that count when two networks are compared."""
    return {
        (native_key(name), tuple(shape))
        for name, shape in shapes.items()
        if not name.endswith(HARMLESS) and not (weights_only and not (len(shape) > 1 and name.endswith(".weight")))
    }


def share(a: set[tuple[str, Shape]], b: set[tuple[str, Shape]]) -> float:
    """Return how much of two sets is common to both."""
    return len(a & b) / max(len(a | b), 1)


def looks_like(given: Mapping[str, Shape]) -> str:
    """Say which network has most of these weights: words to append to a message, "" where none comes near."""
    best = look_alikes(given)[:1]
    # Two of 1754 missing are no 100 %.
    return "".join(
        f"; these weights look like {network} ({int(fit * 100)}% of the names agree)" for network, fit in best
    )
