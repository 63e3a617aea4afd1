"""Deterministic pseudo-random weights for golden reference vectors.

Both sides (the reference code that made the vectors, and a re-implementation
under test) call ``fill`` with the same list of (key, shape) and the same seed,
so no weight file has to be stored.  Only numpy is needed.

Rule, for every key in the list, each with its OWN generator
``numpy.random.default_rng(zlib.crc32(key.encode()) + seed)``
(so the order of the keys does not matter), one draw of the full shape:

  kind                 how it is recognised                       value
  -------------------  -----------------------------------------  --------------------------------------
  bn counter           key ends with 'num_batches_tracked'        0 (int64)
  bn running_mean      key ends with 'running_mean'               0.1 * standard_normal(shape)
  bn running_var       key ends with 'running_var'                uniform(0.5, 1.5, shape)
  bn weight            'weight', sibling 'running_mean' exists    1 + 0.1 * standard_normal(shape)
  bn bias              'bias',   sibling 'running_mean' exists    0.1 * standard_normal(shape)
  DFL projection       key ends with 'dfl.conv.weight'            arange(shape[1]) (a constant, no weight)
  2-D or more          any other key with len(shape) >= 2         gain * sqrt(2 / fan_in) * standard_normal()
                                                                  (fan_in = product(shape[1:]), also for
                                                                  transposed convolutions, on purpose)
  bias                 any other key whose last part is 'bias'    0.01 * standard_normal(shape)
  other 1-D / 0-D      e.g. LayerNorm weight, learned scale       1 + 0.1 * standard_normal(shape)

Values are computed in float64 and cast to float32.  ``gain`` is 1.0 unless the
golden file says otherwise (deep un-normalised nets use a smaller one so that
outputs are neither saturated nor huge).
"""

import zlib

import numpy as np


def fill(keys_and_shapes, seed, gain=1.0, constants=None):
    """keys_and_shapes: iterable of (key, shape).  Returns {key: ndarray}.

    constants: {key: nested list}, taken from the golden JSON field "constants"
    when present: buffers that are not weights (anchors, masks); kept as given.
    """
    items = [(k, tuple(int(d) for d in s)) for k, s in keys_and_shapes]
    names = {k for k, _ in items}
    out = {}
    for key, shape in items:
        if constants and key in constants:
            out[key] = np.asarray(constants[key], np.float32).reshape(shape)
            continue
        rng = np.random.default_rng(zlib.crc32(key.encode()) + seed)
        prefix, _, last = key.rpartition(".")
        is_bn = (prefix + ".running_mean" if prefix else "running_mean") in names
        if last == "num_batches_tracked":
            out[key] = np.zeros(shape, np.int64)
            continue
        if last == "running_mean":
            v = 0.1 * rng.standard_normal(shape)
        elif last == "running_var":
            v = rng.uniform(0.5, 1.5, shape)
        elif is_bn and last == "weight":
            v = 1 + 0.1 * rng.standard_normal(shape)
        elif is_bn and last == "bias":
            v = 0.1 * rng.standard_normal(shape)
        elif key.endswith("dfl.conv.weight"):
            v = np.arange(shape[1], dtype=np.float64).reshape(shape)
        elif len(shape) >= 2:
            v = gain * np.sqrt(2.0 / np.prod(shape[1:])) * rng.standard_normal(shape)
        elif last == "bias":
            v = 0.01 * rng.standard_normal(shape)
        else:
            v = 1 + 0.1 * rng.standard_normal(shape)
        out[key] = np.asarray(v, np.float32)
    return out


def make_input(shape, seed):
    """The fixed network input: standard normal, float32, NCHW."""
    return np.random.default_rng(seed).standard_normal(tuple(shape)).astype(np.float32)


def load_into(module, seed, gain=1.0, constants=None):
    """Fill a torch module in place and put it in eval mode."""
    import torch

    sd = module.state_dict()
    w = fill([(k, v.shape) for k, v in sd.items()], seed, gain, constants)
    module.load_state_dict({k: torch.from_numpy(np.array(a)).reshape(sd[k].shape) for k, a in w.items()})
    return module.eval()


def samples(a, n=20):
    """(mean, std, n values at the fixed flat positions used in the files)."""
    a = np.asarray(a)
    f = a.reshape(-1)
    pos = np.linspace(0, f.size - 1, n).round().astype(np.int64)
    return np.array([f.astype(np.float64).mean(), f.astype(np.float64).std()]), pos, f[pos].astype(np.float32)
