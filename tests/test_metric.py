"""Metrics beyond their values: updates do not wait, errors stay, states can be copied."""

import copy
import pickle
import threading

import numpy as np
import pytest

import weft as mx

PAIRS = {
    "acc": ((4,), (4, 3)),
    "ce": ((4,), (4, 3)),
    "nll_loss": ((4,), (4, 3)),
    "mae": ((4,), (4,)),
    "mse": ((4,), (4,)),
    "rmse": ((4,), (4,)),
    "f1": ((4,), (4, 2)),
    "mcc": ((4,), (4, 2)),
    "pcc": ((4,), (4, 2)),
    "pearsonr": ((4,), (4,)),
    "loss": ((4,), (4,)),
}


def made(name):
    if name == "perplexity":
        return mx.metric.Perplexity(None)
    return mx.metric.TopKAccuracy(2) if name == "top_k" else mx.metric.create(name)


@pytest.mark.parametrize("name", [*PAIRS, "perplexity", "top_k"])
def test_update_does_not_wait(name):
    label_shape, pred_shape = PAIRS.get(name, ((4,), (4, 3)))
    labels = mx.nd.array(np.random.randint(0, 2, label_shape))
    values = np.random.uniform(0.1, 1, pred_shape).astype("float32")
    preds, gate = mx.nd.zeros(pred_shape), threading.Event()
    expected = made(name)
    expected.update([labels], [mx.nd.array(values)])

    def compute():
        assert gate.wait(60)
        preds[:] = mx.nd.array(values)

    metric = made(name)
    mx.engine.push(compute, writes=[preds])
    metric.update([labels], [preds])  # would never return if it waited
    gate.set()
    np.testing.assert_allclose(metric.get()[1], expected.get()[1])
    np.testing.assert_allclose(metric.get_global()[1], expected.get_global()[1])


def later(array, value):
    """Write `value` to `array` on a worker, not before the caller has gone on."""
    gate = threading.Event()

    def write():
        assert gate.wait(60)
        array[:] = value

    mx.engine.push(write, writes=[array])
    return gate


def test_later_writes_do_not_change_what_was_measured():
    preds = mx.nd.zeros((2,))
    gate = later(preds, 1.0)
    metric = mx.metric.Loss()
    metric.update(None, [preds])
    preds += 10
    gate.set()
    assert metric.get() == ("loss", 1.0)


def test_reset_while_an_update_is_under_way():
    preds = mx.nd.zeros((2,))
    gate = later(preds, 1.0)
    metric = mx.metric.Loss()
    metric.update(None, [preds])
    metric.reset_local()
    gate.set()
    assert np.isnan(metric.get()[1]) and metric.get_global() == ("loss", 1.0)


def test_an_update_that_fails_stays_until_reset():
    preds, labels = mx.nd.zeros((2, 3)), mx.nd.array([0, 7])
    gate = later(preds, 0.5)
    metric = mx.metric.CrossEntropy()
    metric.update([labels], [preds])
    metric.update([mx.nd.array([0, 1])], [preds])
    gate.set()
    for _ in range(2):
        with pytest.raises(mx.MXNetError, match="out of bounds"):
            metric.get()
    metric.reset()
    metric.update([mx.nd.array([0, 1])], [preds])
    np.testing.assert_allclose(metric.get()[1], np.log(2), rtol=1e-6)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_copies_hold_what_was_added(copied):
    preds = mx.nd.zeros((2,))
    gate = later(preds, 1.0)
    metric = mx.metric.Loss()
    metric.update(None, [preds])
    gate.set()
    assert copied(metric).get() == ("loss", 1.0)


def test_sums_are_in_double_precision():
    metric = mx.metric.MAE()
    for _ in range(1000):
        metric.update([mx.nd.array([0.0])], [mx.nd.array([0.1])])
    assert abs(metric.sum_metric - 1000 * float(np.float32(0.1))) < 1e-9


def test_micro_correlation_is_that_of_all_batches():
    metric = mx.metric.PearsonCorrelation(average="micro")
    batches = [np.random.normal(size=(2, size)) + 5 for size in (4, 7, 2)]
    for label, pred in batches:
        metric.update([mx.nd.array(label)], [mx.nd.array(pred)])
    expected = np.corrcoef(np.concatenate(batches, axis=1))[0, 1]
    np.testing.assert_allclose(metric.get()[1], expected, rtol=1e-5)
    np.testing.assert_allclose(metric.get_global()[1], expected, rtol=1e-5)
    metric.reset_local()
    metric.update([mx.nd.array(batches[0][0])], [mx.nd.array(batches[0][1])])
    np.testing.assert_allclose(metric.get()[1], np.corrcoef(batches[0])[0, 1], rtol=1e-5)
    np.testing.assert_allclose(metric.get_global()[1], np.corrcoef(np.concatenate([*batches, batches[0]], axis=1))[0, 1], rtol=1e-5)


def test_configuration_makes_the_same_metric():
    for metric in (
        mx.metric.TopKAccuracy(3),
        mx.metric.F1(average="micro"),
        mx.metric.Perplexity(1, axis=0),
        mx.metric.create(["acc", "f1"]),
    ):
        assert mx.metric.create(metric.get_config()).get_config() == metric.get_config()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="no axis 2"):
        mx.metric.Accuracy(axis=2).update([mx.nd.ones((2,))], [mx.nd.ones((2, 3))])
    with pytest.raises(ValueError, match="out of range"):
        mx.metric.create(["acc"]).get_metric(1)
    with pytest.raises(ValueError, match="'nothing' is not registered; there are acc"):
        mx.metric.create("nothing")
    with pytest.raises(ValueError, match="no output 'o'; there are q"):
        mx.metric.Accuracy(output_names=["o"]).update_dict({}, {"q": mx.nd.ones((1, 2))})


def test_pairs_that_a_metric_of_a_program_makes_are_what_scores_give():
    class PerOutput(mx.metric.EvalMetric):
        def update(self, labels, preds):
            self.means = [float(pred.mean().asscalar()) for pred in preds]

        def get(self):
            return zip(*((f"mean{i}", mean) for i, mean in enumerate(self.means)))

        def get_name_value(self):
            names, values = self.get()
            return list(zip(names, values))

    data = mx.sym.var("data")
    module = mx.mod.Module(mx.sym.Group([data * 2, data * 3]), label_names=None)
    batches = mx.io.NDArrayIter(np.ones((4, 2), "float32"), batch_size=4)
    module.bind(batches.provide_data, for_training=False)
    module.init_params()
    assert module.score(batches, PerOutput("means")) == [("mean0", 2.0), ("mean1", 3.0)]
