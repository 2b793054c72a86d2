"""An MXNet program, unchanged: a chain of modules, whose loss is a Python function.

Run it with weft: python -m weft.as_mxnet examples/sequential_hinge_loss.py
"""

import mxnet as mx
import numpy as np

mx.random.seed(3)
np.random.seed(3)
CLASSES = 4
points = np.random.uniform(-1, 1, (600, 2))
classes = (points[:, 0] > 0) * 2 + (points[:, 1] > 0)


def hinge_gradient(scores, labels):
    """Gradient of the multi-class hinge loss (Crammer and Singer), as a NumPy array."""
    scores, labels = scores.asnumpy(), labels.asnumpy().astype(int)
    rows = np.arange(len(labels))
    margins = 1 + scores - scores[rows, labels][:, None]
    margins[rows, labels] = 0
    worst = margins.argmax(axis=1)
    gradient = np.zeros_like(scores)
    wrong = margins[rows, worst] > 0
    gradient[rows[wrong], worst[wrong]] = 1
    gradient[rows[wrong], labels[wrong]] -= 1
    return gradient


hidden = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=16, name="fc1"), act_type="relu")
scores = mx.sym.FullyConnected(mx.sym.Variable("hidden"), num_hidden=CLASSES, name="fc2")

chain = mx.mod.SequentialModule()
chain.add(mx.mod.Module(hidden, label_names=None))
chain.add(mx.mod.Module(scores, data_names=("hidden",), label_names=None), auto_wiring=True)
chain.add(mx.mod.PythonLossModule(grad_func=hinge_gradient), take_labels=True, auto_wiring=True)

data = mx.io.NDArrayIter(points, classes, batch_size=50, shuffle=True)
chain.fit(
    data,
    num_epoch=40,
    optimizer_params={"learning_rate": 0.2, "momentum": 0.5},
    initializer=mx.init.Xavier(),
    eval_metric="acc",
)
accuracy = dict(chain.score(data, "acc"))["accuracy"]
print("accuracy above 95 %:", accuracy > 0.95)
print("parameters of all modules:", sorted(chain.get_params()[0]) == ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"])
