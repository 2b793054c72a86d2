"""Exchange files of optimizer states with the real MXNet 1.9.1, in ``tests/data/mxnet/states``.

First weft writes ``weft_NAME.states``, then MXNet reads them, checks what is in them, and writes ``mxnet_NAME.states``::

    python tests/tools/record_mxnet_states.py weft
    /tmp/mxnet-env/bin/python tests/tools/record_mxnet_states.py mxnet
"""

import os
import sys

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "mxnet", "states")

#: Optimizers whose states are exchanged, by name of the file.
OPTIMIZERS = {
    "sgd": ("sgd", {"momentum": 0.9}),
    "sgd_half": ("sgd", {"momentum": 0.9, "multi_precision": True}),
    "adam": ("adam", {"param_idx2name": {0: "a_weight", 1: "a_bias"}}),
    "nadam": ("nadam", {"clip_gradient": 0.5}),
}


def trained(mx, name):
    """The updater after two updates of two weights."""
    kind, arguments = OPTIMIZERS[name]
    schedule = mx.lr_scheduler.FactorScheduler(10, 0.5, base_lr=0.125)
    optimizer = mx.optimizer.create(kind, learning_rate=0.125, lr_scheduler=schedule, **arguments)
    updater = mx.optimizer.get_updater(optimizer)
    dtype = "float16" if "half" in name else "float32"
    for _ in range(2):
        for index, shape in enumerate(((2, 3), (4,))):
            weight = mx.nd.full(shape, 0.5, dtype=dtype)
            updater(index, mx.nd.full(shape, 0.25 * (index + 1), dtype=dtype), weight)
    return updater


def flat(state):
    """The arrays of a state as nested lists."""
    if state is None:
        return None
    return [flat(one) for one in state] if isinstance(state, (list, tuple)) else state.asnumpy().tolist()


def content(updater):
    """What a file holds, as plain data."""
    optimizer = updater.optimizer
    return {"states": {key: flat(state) for key, state in updater.states.items()}, "class": type(optimizer).__name__,
            "num_update": optimizer.num_update, "rate": optimizer.lr_scheduler.base_lr, "step": optimizer.lr_scheduler.step,
            "names": optimizer.idx2name, "counts": optimizer._index_update_count}


def same(found, expected):
    """Equality up to rounding."""
    if isinstance(expected, float):
        return abs(found - expected) <= 1e-5 * max(1.0, abs(expected))
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


def main(who):
    if who == "weft":
        import weft as mx
    else:
        import mxnet as mx
    for name in OPTIMIZERS:
        updater = trained(mx, name)
        with open(os.path.join(FOLDER, "%s_%s.states" % (who, name)), "wb") as f:
            f.write(updater.get_states(dump_optimizer=True))
        if who == "mxnet":
            read = trained(mx, name)
            with open(os.path.join(FOLDER, "weft_%s.states" % name), "rb") as f:
                read.set_states(f.read())
            assert same(content(read), content(updater)), name
            assert type(read.optimizer) is type(updater.optimizer), name
            print(name, "is read by MXNet")


if __name__ == "__main__":
    main(sys.argv[1])
