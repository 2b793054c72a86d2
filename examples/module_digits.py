"""An MXNet program, unchanged: a multi-layer perceptron in a Module, with all that usually stands around one.

Run it with weft: python -m weft.as_mxnet examples/module_digits.py
"""

import logging
import os
import struct
import tempfile

import mxnet as mx
import numpy as np

logging.basicConfig(level=logging.WARNING)
mx.random.seed(1)
np.random.seed(1)
folder = tempfile.mkdtemp()
prefix = os.path.join(folder, "mlp")

# Ten noisy patterns of 8 x 8 pixels, in the format of MNIST's files.
patterns = np.random.randint(0, 256, (10, 8, 8))


def write(name, count):
    labels = np.random.randint(0, 10, count)
    images = np.clip(patterns[labels] + np.random.normal(0, 60, (count, 8, 8)), 0, 255).astype(np.uint8)
    with open(os.path.join(folder, name + "-images"), "wb") as file:
        file.write(struct.pack(">4i", 2051, count, 8, 8) + images.tobytes())
    with open(os.path.join(folder, name + "-labels"), "wb") as file:
        file.write(struct.pack(">2i", 2049, count) + labels.astype(np.uint8).tobytes())


def iterator(name, shuffle):
    files = os.path.join(folder, name + "-images"), os.path.join(folder, name + "-labels")
    return mx.io.MNISTIter(image=files[0], label=files[1], batch_size=50, shuffle=shuffle, flat=True, seed=3, silent=True)


write("train", 2000)
write("test", 500)
train, test = iterator("train", True), iterator("test", False)

net = mx.sym.Variable("data")
net = mx.sym.FullyConnected(net, name="fc1", num_hidden=64)
net = mx.sym.Activation(net, name="relu1", act_type="relu")
net = mx.sym.FullyConnected(net, name="fc2", num_hidden=10)
net = mx.sym.SoftmaxOutput(net, name="softmax")

module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
monitor = mx.mon.Monitor(20, pattern=".*weight")
settings = {
    "eval_metric": ["acc", mx.metric.CrossEntropy()],
    "optimizer": "sgd",
    "optimizer_params": {"learning_rate": 0.2, "momentum": 0.9, "lr_scheduler": mx.lr_scheduler.FactorScheduler(100, 0.9)},
    "initializer": mx.init.Xavier(),
    "batch_end_callback": mx.callback.Speedometer(50, 20),
}
module.fit(
    train,
    eval_data=test,
    num_epoch=3,
    epoch_end_callback=[mx.callback.do_checkpoint(prefix), mx.callback.module_checkpoint(module, prefix + "-full", 3, True)],
    monitor=monitor,
    **settings,
)
score = dict(module.score(test, "acc"))
print("held-out accuracy above 95 %:", score["accuracy"] > 0.95)

# The checkpoint computes the same.
symbol, arguments, states = mx.model.load_checkpoint(prefix, 3)
loaded = mx.mod.Module(symbol, label_names=None)
loaded.bind(test.provide_data, for_training=False)
loaded.set_params(arguments, states, allow_missing=True)
scores, again = module.predict(test), loaded.predict(test)
print("loaded network predicts the same:", scores.shape == (500, 10) and np.allclose(scores.asnumpy(), again.asnumpy(), atol=1e-5))

# Training goes on where it ended.
resumed = mx.mod.Module.load(prefix + "-full", 3, load_optimizer_states=True)
resumed.fit(train, begin_epoch=3, num_epoch=4, **settings)
print("goes on from a checkpoint:", dict(resumed.score(test, "acc"))["accuracy"] > 0.95)

# A part of the network gives features.
features = mx.mod.Module(symbol.get_internals()["relu1_output"], label_names=None)
features.bind(test.provide_data, for_training=False)
features.set_params(arguments, states)
print("features:", features.predict(test).shape == (500, 64))
