"""Modules: what the recorded programs do not reach. Several devices, shapes that change, asynchrony, errors, memory that graphs share."""

import logging

import numpy as np
import pytest

import weft as mx
from weft import nd

SHAPE = (8, 4)


def mlp(hidden=16, classes=3):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=hidden, name="fc1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=classes, name="fc2"), name="softmax")


def batch(size=8, seed=0):
    rng = np.random.RandomState(seed)
    return mx.io.DataBatch([nd.array(rng.normal(size=(size, 4)))], [nd.array(rng.randint(0, 3, size))])


def bound(symbol=None, params=None, context=None, **kwargs):
    module = mx.mod.Module(mlp() if symbol is None else symbol, context=mx.cpu() if context is None else context)
    module.bind([("data", SHAPE)], [("softmax_label", SHAPE[:1])], **kwargs)
    module.init_params(mx.init.Xavier(), *(params or (None, None)))
    return module


def trained(module, steps=4, **optimizer):
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9}, **optimizer)
    for seed in range(steps):
        module.forward_backward(batch(seed=seed))
        module.update()
    return module.get_params()[0]


def same(one, other, rtol=1e-5):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value.asnumpy(), other[name].asnumpy(), rtol=rtol, atol=1e-6, err_msg=name)


def copied(params):
    return {name: value.copy() for name, value in params.items()}


def test_memory_of_buckets_is_used_again():
    def graph(length):
        net = mx.sym.FullyConnected(mx.sym.sum(mx.sym.exp(mx.sym.Variable("data")), axis=1, keepdims=True), num_hidden=2, name="fc")
        return mx.sym.SoftmaxOutput(net, name="softmax"), ("data",), ("softmax_label",)

    module = mx.mod.BucketingModule(graph, default_bucket_key=8)
    module.bind([("data", (4, 8))], [("softmax_label", (4,))])
    module.init_params()
    sizes = []
    for _ in range(2):
        module.switch_bucket(5, [("data", (4, 5))], [("softmax_label", (4,))])
        sizes.append(module._buckets[8]._total_exec_bytes)
        del module._buckets[5]
        module.switch_bucket(8, [("data", (4, 8))], [("softmax_label", (4,))])
    assert sizes[0] == sizes[1] > 0


def test_devices_together_learn_what_one_learns():
    start = copied(bound().get_params()[0])
    alone = trained(bound(params=(start, {})))
    for kvstore in ("local", "device", mx.kv.create("device"), None):
        several = bound(params=(start, {}), context=[mx.cpu(i) for i in range(3)])
        if kvstore is None:
            # Without a store each device learns from its slice alone.
            several.init_optimizer(kvstore=None)
            several.forward_backward(batch())
            several.update()
            weights = [array.asnumpy() for array in several._exec_group.param_arrays[0]]
            assert np.abs(weights[0] - weights[1]).max() > 0
            continue
        same(alone, trained(several, kvstore=kvstore), rtol=1e-4)


def test_forward_backward_equals_forward_and_backward():
    start = copied(bound().get_params()[0])
    together, apart = bound(params=(start, {})), bound(params=(start, {}))
    same(trained(together), trained_apart(apart))


def trained_apart(module):
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    for seed in range(4):
        module.forward(batch(seed=seed), is_train=True)
        module.get_outputs()[0].asnumpy()
        module.backward()
        module.update()
    return module.get_params()[0]


def test_an_evaluation_between_forward_and_backward_does_no_harm():
    start = copied(bound().get_params()[0])
    module, other = bound(params=(start, {})), bound(params=(start, {}))
    for each in (module, other):
        each.init_optimizer()
    module.forward(batch(seed=1), is_train=True)
    module.backward()
    module.forward(batch(seed=2), is_train=False)
    module.update()
    other.forward_backward(batch(seed=1))
    other.update()
    same(module.get_params()[0], other.get_params()[0])


def test_batches_of_other_sizes_use_the_same_parameters():
    module = bound()
    params = copied(module.get_params()[0])
    module.init_optimizer()
    for size in (8, 3, 5, 8, 3):
        data = batch(size, seed=size)
        module.forward(data, is_train=False)
        fresh = mx.mod.Module(mlp())
        fresh.bind([("data", (size, 4))], [("softmax_label", (size,))])
        fresh.set_params(*module.get_params())
        fresh.forward(data, is_train=False)
        np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), fresh.get_outputs()[0].asnumpy(), rtol=1e-5)
        module.forward_backward(data)
        module.update()
    assert any(np.abs(value.asnumpy() - params[name].asnumpy()).max() > 0 for name, value in module.get_params()[0].items())
    assert len(module._exec_group._bound) == 3


def test_many_sizes_do_not_pile_up():
    module = bound()
    for size in range(1, 30):
        module.forward(batch(size), is_train=False)
    assert len(module._exec_group._bound) <= 9


def test_predicting_without_labels_takes_any_size():
    module = bound()
    whole = module.predict(mx.io.NDArrayIter(batch(20).data[0], batch_size=8))
    assert whole.shape == (20, 3)
    single = module.predict(batch(20).data[0].asnumpy())
    np.testing.assert_allclose(whole.asnumpy(), single.asnumpy(), rtol=1e-5)


def test_outputs_and_metrics_of_a_batch_survive_the_next_one():
    module, metric = bound(), mx.metric.create("ce")
    losses = []
    for seed in range(3):
        data = batch(seed=seed)
        module.forward(data, is_train=False)
        module.update_metric(metric, data.label)
        chosen = module.get_outputs()[0].asnumpy()[np.arange(8), data.label[0].asnumpy().astype(int)]
        losses.append(-np.log(chosen).mean())
    np.testing.assert_allclose(metric.get()[1], np.mean(losses), rtol=1e-5)


def test_training_does_not_wait_for_results():
    """Errors of a batch come when a result is asked for, so nothing waited for them before."""
    data = mx.sym.Variable("data")
    net = mx.sym.take(mx.sym.Variable("table_weight", shape=(5, 3)), data, mode="raise")
    module = mx.mod.Module(mx.sym.MakeLoss(mx.sym.sum(net)), label_names=None)
    module.bind([("data", (2,))])
    module.init_params()
    module.init_optimizer()
    module.forward_backward(mx.io.DataBatch([nd.array([0, 9])]))
    module.update()
    with pytest.raises(mx.MXNetError):
        module.get_params()[0]["table_weight"].asnumpy()


def test_rebinding_keeps_parameters_and_state():
    module = bound()
    trained(module, steps=2)
    before = copied(module.get_params()[0])
    module.bind([("data", (4, 4))], [("softmax_label", (4,))], force_rebind=True)
    same(before, module.get_params()[0])
    module.forward_backward(batch(4))
    module.update()


def test_shared_module_uses_the_same_parameters():
    one = bound()
    other = mx.mod.Module(mlp())
    other.bind([("data", (3, 4))], [("softmax_label", (3,))], shared_module=one)
    one.init_optimizer()
    one.forward_backward(batch())
    one.update()
    data = batch(3)
    other.forward(data, is_train=False)
    one.forward(data, is_train=False)
    np.testing.assert_allclose(one.get_outputs()[0].asnumpy(), other.get_outputs()[0].asnumpy(), rtol=1e-6)
    assert one._exec_group.execs[0].arg_dict["fc1_weight"] is not None
    other.borrow_optimizer(one)
    assert other.optimizer_initialized


def test_labels_that_the_graph_does_not_have_are_for_metrics():
    net = mx.sym.softmax(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3))
    with pytest.warns(UserWarning, match="label_names has 'softmax_label'"):
        module = mx.mod.Module(net)
    data = mx.io.NDArrayIter(batch(16).data[0], batch(16).label[0], batch_size=8)
    module.bind(data.provide_data, data.provide_label, for_training=False)
    module.init_params()
    ((name, value),) = module.score(data, "acc")
    assert name == "accuracy" and 0 <= value <= 1


def test_lists_of_batches_are_slices_for_devices():
    start = copied(bound().get_params()[0])
    module, other = (bound(params=(start, {}), context=[mx.cpu(0), mx.cpu(1)]) for _ in range(2))
    whole = batch()
    parts = [mx.io.DataBatch([whole.data[0][at : at + 4]], [whole.label[0][at : at + 4]]) for at in (0, 4)]
    metric, other_metric = mx.metric.create("acc"), mx.metric.create("acc")
    module.forward(whole)
    module.update_metric(metric, whole.label)
    other.forward(parts)
    other.update_metric(other_metric, [part.label for part in parts], pre_sliced=True)
    np.testing.assert_array_equal(module.get_outputs()[0].asnumpy(), other.get_outputs()[0].asnumpy())
    assert metric.get() == other_metric.get()


def test_groups_of_nodes_on_devices():
    with mx.AttrScope(ctx_group="first"):
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc1")
    with mx.AttrScope(ctx_group="second"):
        net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
    module = mx.mod.Module(net, group2ctxs={"first": mx.cpu(1), "second": [mx.cpu(2)]})
    module.bind([("data", SHAPE)], [("softmax_label", SHAPE[:1])])
    module.init_params(mx.init.One())
    plain = mx.mod.Module(net)
    plain.bind([("data", SHAPE)], [("softmax_label", SHAPE[:1])])
    plain.init_params(mx.init.One())
    for each in (module, plain):
        each.forward_backward(batch())
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), plain.get_outputs()[0].asnumpy(), rtol=1e-6)
    assert module._exec_group.execs[0].arg_dict["fc1_weight"].context == mx.cpu(1)
    with pytest.raises(ValueError, match="'first' has 3 contexts"):
        mx.mod.Module(net, group2ctxs={"first": [mx.cpu()] * 3}).bind([("data", SHAPE)])


def test_monitor_sees_where_values_become_nan():
    net = mx.sym.log(mx.sym.Variable("data") - 2, name="log")
    net = mx.sym.MakeLoss(mx.sym.sum(mx.sym.exp(net, name="exp"), name="sum"), name="loss")
    module = mx.mod.Module(net, label_names=None)
    module.bind([("data", (2, 2))])
    module.init_params()
    monitor = mx.mon.Monitor(1, stat_func=lambda array: nd.sum(nd.contrib.isnan(array)))
    module.install_monitor(monitor)
    monitor.tic()
    module.forward(mx.io.DataBatch([nd.ones((2, 2))]))
    found = {name: float(figure) for _, name, figure in monitor.toc()}
    assert found["data"] == 0 and found["log_output"] == 4 and found["exp_output"] == 4


def test_monitor_wants_arrays():
    module = bound()
    monitor = mx.mon.Monitor(1, stat_func=lambda array: 3, pattern="fc1_weight")
    module.install_monitor(monitor)
    monitor.tic()
    module.forward(batch())
    with pytest.raises(mx.MXNetError, match="fc1_weight it gave int"):
        monitor.toc()


def test_calls_in_the_wrong_order_say_which_is_missing():
    module = mx.mod.Module(mlp())
    for call in (lambda: module.forward(batch()), lambda: module.init_params(), lambda: module.data_shapes, lambda: module.reshape([])):
        with pytest.raises(mx.MXNetError, match=r"call bind\(\) first"):
            call()
    module.bind([("data", SHAPE)], [("softmax_label", SHAPE[:1])])
    with pytest.raises(mx.MXNetError, match=r"call init_params\(\) first"):
        module.forward(batch())
    module.init_params()
    with pytest.raises(mx.MXNetError, match=r"call init_optimizer\(\) first"):
        module.update()
    with pytest.raises(mx.MXNetError, match="inputs_need_grad=False"):
        module.get_input_grads()


def test_what_is_wrong_is_named():
    module = bound()
    wrong = dict(module.get_params()[0], fc1_weight=nd.ones((2, 2)))
    before = copied(module.get_params()[0])
    with pytest.raises(mx.MXNetError, match=r"arg_params\['fc1_weight'\] has shape \(2, 2\).*\(16, 4\)"):
        module.set_params(wrong, {})
    same(before, module.get_params()[0])
    with pytest.raises(ValueError, match="'images'.*Did you mean one of: data"):
        mx.mod.Module(mlp(), data_names=["images"])
    with pytest.raises(ValueError, match="work_load_list has 3 entries for 1"):
        mx.mod.Module(mlp(), work_load_list=[1, 2, 3])
    with pytest.raises(ValueError, match="softmax_label has 4, data has 8"):
        mx.mod.Module(mlp()).bind([("data", SHAPE)], [("softmax_label", (4,))])
    with pytest.raises(TypeError, match="optimizer must be"):
        module.init_optimizer(optimizer=3)
    with pytest.raises(TypeError, match="kvstore must be"):
        module.init_optimizer(kvstore=3)
    with pytest.raises(ValueError, match="grad_req has 1 entries"):
        mx.mod.Module(mlp()).bind([("data", SHAPE)], grad_req=["write"])
    with pytest.raises(ValueError, match="the batch has 2 inputs"):
        module.forward(mx.io.DataBatch([nd.ones(SHAPE), nd.ones(SHAPE)]))
    with pytest.raises(ValueError, match="provide|eval_data"):
        module.predict("text")
    with pytest.raises(mx.MXNetError, match="no batch in epoch 0"):
        empty = mx.io.ResizeIter(mx.io.NDArrayIter(batch().data[0], batch().label[0], 8), 0)
        module.fit(empty, num_epoch=1)


def test_warnings_of_second_calls(caplog):
    module = bound()
    with pytest.warns(UserWarning, match="already initialized"):
        module.init_params()
    module.init_optimizer()
    with caplog.at_level(logging.WARNING):
        module.init_optimizer()
        module.bind([("data", SHAPE)])
    assert [record.getMessage() for record in caplog.records] == [
        "optimizer already initialized, ignoring...",
        "Already bound, ignoring bind()",
    ]
    with pytest.warns(UserWarning, match="rescale_grad"):
        module.init_optimizer(optimizer=mx.optimizer.SGD(), force_init=True)


def test_buckets_share_arrays_and_memory():
    def make(length):
        total = mx.sym.sum(mx.sym.Variable("data"), axis=1, keepdims=True)
        net = mx.sym.FullyConnected(total, num_hidden=3, name="fc")
        return mx.sym.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

    module = mx.mod.BucketingModule(make, default_bucket_key=9)
    module.bind([("data", (4, 9))], [("softmax_label", (4,))])
    module.init_params(mx.init.Xavier())
    module.init_optimizer()
    for key in (9, 2, 5, 2, 9):
        data, label = [mx.io.DataDesc("data", (4, key))], [mx.io.DataDesc("softmax_label", (4,))]
        each = mx.io.DataBatch([nd.ones((4, key))], [nd.zeros((4,))], bucket_key=key, provide_data=data, provide_label=label)
        module.prepare(each)
        module.forward_backward(each)
        module.update()
    executors = [bucket._exec_group.execs[0] for bucket in module._buckets.values()]
    assert len(executors) == 3
    weights = [executor.arg_dict["fc_weight"].asnumpy() for executor in executors]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[0], module.get_params()[0]["fc_weight"].asnumpy())
    with pytest.raises(TypeError, match="whole numbers"):
        module._buckets["x"] = module._buckets[2]
        module.save_checkpoint("nowhere", 1)


def test_bucketing_module_says_what_is_missing():
    with pytest.raises(ValueError, match="default_bucket_key"):
        mx.mod.BucketingModule(lambda key: None)
    with pytest.raises(ValueError, match="arg_params"):
        mx.mod.BucketingModule.load_dict({}, lambda key: None, 3)


def test_sequential_module_says_what_is_wrong():
    def part(name):
        return mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name=name), label_names=None)

    with pytest.raises(mx.MXNetError, match="empty"):
        mx.mod.SequentialModule().bind([("data", SHAPE)])
    twice = mx.mod.SequentialModule().add(part("one")).add(part("one"), auto_wiring=True)
    twice.bind([("data", SHAPE)])
    with pytest.raises(mx.MXNetError, match="'one_weight' is in module 0 and in module 1"):
        twice.init_params()
    with pytest.raises(ValueError, match="unknown option 'take_label'"):
        twice.add(part("two"), take_label=True)


def test_python_module_wants_its_methods():
    module = mx.mod.PythonModule(["data"], None, ["out"])
    with pytest.raises(NotImplementedError, match="_compute_output_shapes"):
        module.bind([("data", (2,))])
    with pytest.raises(NotImplementedError, match="PythonModule has no forward"):
        module.forward(batch())
    loss = mx.mod.PythonLossModule()
    loss.bind([("data", (8, 4))], [("softmax_label", (8,))])
    loss.forward(batch())
    with pytest.raises(NotImplementedError, match="grad_func"):
        loss.backward()


def test_mistakes_are_named():
    module = bound()
    with pytest.raises(mx.MXNetError, match=r"batch has the shapes \[\('data', \(8, 5\)\)\], the module is bound with \[\('data', \(8, 4\)\)\].*fc1_weight"):
        module.forward(mx.io.DataBatch([nd.ones((8, 5))], [nd.zeros((8,))]))
    assert module.data_shapes[0].shape == SHAPE
    module.forward(batch())
    labels = mx.io.NDArrayIter(nd.ones((16, 4)), nd.zeros(16), 8, label_name="target")
    with pytest.warns(UserWarning, match="target"), pytest.raises(ValueError, match=r"\['target'\], but the symbol's label is 'softmax_label'"):
        mx.mod.Module(mlp()).fit(labels, num_epoch=1)
    with pytest.raises(TypeError, match=r"sym_gen\(4\) must return \(symbol, data_names, label_names\), got Symbol"):
        mx.mod.BucketingModule(lambda key: mlp(), default_bucket_key=4)
    with pytest.raises(mx.MXNetError, match="cannot be inferred from nothing .'dat' is no argument"):
        mlp().simple_bind(mx.cpu(), dat=SHAPE)


def test_fit_goes_on_after_an_interruption():
    """A batch that fails leaves a module that can go on."""
    module = bound()
    module.init_optimizer()
    with pytest.raises(mx.MXNetError):
        module.forward_backward(mx.io.DataBatch([nd.ones((8, 5))], [nd.zeros((8,))]))
    module.reshape([("data", SHAPE)], [("softmax_label", SHAPE[:1])])
    module.forward_backward(batch())
    module.update()
    assert np.isfinite(module.get_outputs()[0].asnumpy()).all()


def test_callbacks():
    metric = mx.metric.create("acc")
    param = mx.model.BatchEndParam(epoch=0, nbatch=0, eval_metric=metric, locals={})
    assert (param.epoch, param.nbatch) == (0, 0) and type(param).__name__ == "BatchEndParams"
    saved = []

    class Saver:
        def save_checkpoint(self, *arguments):
            saved.append(arguments)

    callback = mx.callback.module_checkpoint(Saver(), "net", period=2, save_optimizer_states=True)
    for epoch in range(4):
        callback(epoch)
    assert saved == [("net", 2, True), ("net", 4, True)]
    assert mx.callback.ProgressBar(4, 8).drawn(4) == "[========] 100%"


def test_groups_of_executors_tell_names_and_batch_axes_and_take_other_shapes():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    net = mx.sym.SoftmaxOutput(net, name="softmax")
    module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
    module.bind([mx.io.DataDesc("data", (4, 3))], [("softmax_label", (4,))])
    group = module._exec_group
    assert (group.data_names, group.label_names, group.num_outputs) == (["data"], ["softmax_label"], 1)
    assert (group.data_layouts, group.label_layouts, group.output_layouts) == ([0], [0], [0])
    weights = group.param_arrays[0][0]
    group.reshape([("data", (8, 3))], [("softmax_label", (8,))])
    assert (group.batch_size, group.slices) == (8, [slice(0, 4), slice(4, 8)])
    assert [executor.arg_dict["data"].shape for executor in group.execs] == [(4, 3), (4, 3)]
    assert group.param_arrays[0][0] is weights


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_feedforward_on_several_devices_predicts_on_the_first():
    x = np.random.RandomState(0).uniform(size=(20, 6)).astype("float32")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3), name="softmax")
    data = mx.io.NDArrayIter(x, np.arange(20) % 3, batch_size=10)
    model = mx.model.FeedForward.create(net, data, ctx=[mx.cpu(0), mx.cpu(1)], num_epoch=1)
    single = mx.model.FeedForward(net, ctx=mx.cpu(0), arg_params=model.arg_params, aux_params=model.aux_params)
    assert np.array_equal(model.predict(data), single.predict(data))
    assert len(model._bound(data, with_labels=True)._exec_group.execs) == 1


def test_what_groups_of_executors_in_programs_import():
    from weft.executor_manager import _load_data as load_first_axis
    from weft.module.base_module import _check_input_names, _check_names_match, _parse_data_desc
    from weft.module.executor_group import _load_data, _load_label, _merge_multi_context

    data, labels = _parse_data_desc(["data"], ["y"], [("data", (4, 2))], [mx.io.DataDesc("y", (4,))])
    assert [(desc.name, desc.shape) for desc in data + labels] == [("data", (4, 2)), ("y", (4,))]
    assert _parse_data_desc(["data"], [], [("data", (4, 2))], None)[1] is None
    with pytest.raises(ValueError, match=r"data_shapes describes \['x'\]"):
        _parse_data_desc(["data"], [], [("x", (4, 2))], None)
    with pytest.warns(UserWarning, match="label_names are"):
        _check_names_match(["y"], [], "label", False)
    with pytest.raises(ValueError, match="data_names has 'x'"):
        _check_input_names(mx.sym.Variable("data"), ["x"], "data", True)

    values = nd.array(np.arange(8).reshape(2, 4))
    batch = mx.io.DataBatch([values], [values])
    parts = [(slice(0, 1), nd.zeros((2, 1))), (slice(1, 4), nd.zeros((2, 3)))]
    _load_data(batch, [parts], [1])
    merged = _merge_multi_context([[target for _, target in parts]], [1])
    assert np.array_equal(merged[0].asnumpy(), values.asnumpy())
    rows = [(slice(0, 1), nd.zeros((1, 4))), (slice(1, 2), nd.zeros((1, 4)))]
    load_first_axis(batch, [rows])
    assert np.array_equal(rows[1][1].asnumpy(), values.asnumpy()[1:])
    each = [mx.io.DataBatch([], [nd.full((1, 4), number)]) for number in (3, 5)]
    _load_label(each, [rows], [0])
    assert [target.asnumpy()[0, 0] for _, target in rows] == [3, 5]
    whole = nd.zeros((2, 4))
    _load_data(batch, [whole], [-1])
    assert np.array_equal(whole.asnumpy(), values.asnumpy())
