"""Exchange checkpoints with the real MXNet 1.9.1. See ``record_mxnet.py`` for its environment.

    mxnet-env/bin/python tests/tools/record_mxnet_checkpoint.py write        MXNet writes tests/data/mxnet/checkpoints/mxnet-*
    python tests/tools/record_mxnet_checkpoint.py write-weft                 weft writes tests/data/mxnet/checkpoints/weft-*
    mxnet-env/bin/python tests/tools/record_mxnet_checkpoint.py read [PREFIX EPOCH]   MXNet reads weft's (by default those)

``write`` and ``read`` store what MXNet computes with the checkpoint, with the inputs, in PREFIX-answers.params: the output, and
the parameters after one more step with the optimizer's states. The tests compare weft with it; they need no MXNet.
"""

import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "mxnet", "checkpoints")
SHAPE, CLASSES, EPOCH = (6, 2, 8, 8), 3, 2
OPTIMIZER = {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}


def network(mx):
    """A small net with what is special in checkpoints: auxiliary states, attributes of variables, several dtypes of parameters."""
    data = mx.sym.Variable("data")
    weight = mx.sym.Variable("conv_weight", lr_mult=0.5, attr={"mood": "calm"})
    net = mx.sym.Convolution(data, weight=weight, kernel=(3, 3), pad=(1, 1), num_filter=4, name="conv")
    net = mx.sym.BatchNorm(net, fix_gamma=False, momentum=0.8, name="bn")
    net = mx.sym.Activation(net, act_type="relu", name="relu")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    net = mx.sym.FullyConnected(net, num_hidden=CLASSES, name="fc")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def inputs(mx):
    """Images and labels that any version of NumPy makes alike."""
    numbers = np.arange(int(np.prod(SHAPE)))
    images = ((numbers * 7919 % 257) / 128 - 1).astype("float32").reshape(SHAPE)
    return mx.io.DataBatch([mx.nd.array(images)], [mx.nd.array(np.arange(SHAPE[0]) % CLASSES)])


def bind(mx, module):
    module.bind([("data", SHAPE)], [("softmax_label", SHAPE[:1])])


def step(mx, module):
    module.forward_backward(inputs(mx))
    module.update()


def write(mx, name):
    os.makedirs(FOLDER, exist_ok=True)
    module = mx.mod.Module(network(mx))
    bind(mx, module)
    mx.random.seed(5)
    np.random.seed(5)
    module.init_params(mx.init.Xavier())
    module.init_optimizer(optimizer="sgd", optimizer_params=OPTIMIZER)
    for _ in range(3):
        step(mx, module)
    module.save_checkpoint(os.path.join(FOLDER, name), EPOCH, save_optimizer_states=True)


def answers(mx, prefix, epoch):
    """What a checkpoint computes: output, and all parameters after one more step."""
    module = mx.mod.Module.load(prefix, epoch, load_optimizer_states=True)
    bind(mx, module)
    module.init_optimizer(optimizer="sgd", optimizer_params=OPTIMIZER)
    batch = inputs(mx)
    module.forward(batch, is_train=False)
    found = {"data": batch.data[0], "output": module.get_outputs()[0].copy()}
    step(mx, module)
    arg_params, aux_params = module.get_params()
    found.update(("arg:" + name, value) for name, value in arg_params.items())
    found.update(("aux:" + name, value) for name, value in aux_params.items())
    return found


def main(arguments):
    if arguments[0] == "write-weft":
        import weft as mx

        write(mx, "weft")
        return
    os.environ["MXNET_ENGINE_TYPE"] = "NaiveEngine"  # MXNet's threaded engine gives other answers now and then
    import mxnet as mx

    prefix, epoch = (os.path.join(FOLDER, "weft"), EPOCH) if len(arguments) < 3 else (arguments[1], int(arguments[2]))
    if arguments[0] == "write":
        write(mx, "mxnet")
        prefix = os.path.join(FOLDER, "mxnet")
    found, again = answers(mx, prefix, epoch), answers(mx, prefix, epoch)
    for name, value in found.items():
        assert (value.asnumpy() == again[name].asnumpy()).all(), name
    mx.nd.save(prefix + "-answers.params", found)
    print("MXNet", mx.__version__, "read", prefix, epoch)


if __name__ == "__main__":
    main(sys.argv[1:])
