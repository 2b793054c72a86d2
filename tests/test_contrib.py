"""What recorded answers of MXNet cannot show of mx.contrib: fetching files, packages that are not there, import paths."""

import hashlib
import importlib
import sys
import types
import zipfile

import numpy as np
import pytest

import weft as mx
from weft.contrib.svrg_optimization.svrg_module import SVRGModule
from weft.contrib.text import embedding


@pytest.mark.parametrize(
    "name", ["autograd", "io", "ndarray", "svrg_optimization", "svrg_optimization.svrg_module", "symbol", "tensorboard", "text", "text.vocab"]
)
def test_modules_have_one_object(name):
    module = importlib.import_module("weft.contrib." + name)
    found = mx.contrib
    for part in name.split("."):
        found = getattr(found, part)
    assert getattr(module, "__all__", []) == getattr(found, "__all__", [])
    assert name in ("ndarray", "symbol") or module is found


def test_old_modules_of_operators():
    from weft.contrib import ndarray, symbol

    assert ndarray.box_iou is mx.nd.contrib.box_iou
    assert "box_iou" in dir(symbol)
    with pytest.raises(AttributeError, match="nothing"):
        mx.contrib.nothing  # noqa: B018


@pytest.fixture
def published(tmp_path, monkeypatch):
    """An embedding whose file comes in an archive of a repository in a folder."""
    content = b"hello 1 2 3\nworld 4 5 6\n"
    folder = tmp_path / "repository" / "gluon" / "embeddings" / "published"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "vectors.zip", "w") as archive:
        archive.writestr("vectors.txt", content)
    monkeypatch.setenv("MXNET_GLUON_REPO", (tmp_path / "repository").as_uri())

    class Published(embedding._TokenEmbedding):
        pretrained_file_name_sha1 = {"vectors.txt": hashlib.sha1(content).hexdigest()}
        pretrained_archive_name_sha1 = {"vectors.zip": hashlib.sha1((folder / "vectors.zip").read_bytes()).hexdigest()}

        @classmethod
        def _get_download_file_name(cls, pretrained_file_name):
            return "vectors.zip"

        def __init__(self, root):
            super().__init__()
            self._load_embedding(self._get_pretrained_file(str(root), "vectors.txt"), " ", mx.nd.zeros)

    return Published, folder, tmp_path / "kept"


def test_published_vectors_are_fetched_once(published):
    cls, folder, kept = published
    assert cls(kept).get_vecs_by_tokens("world").asnumpy().tolist() == [4, 5, 6]
    (folder / "vectors.zip").unlink()
    assert cls(kept).token_to_idx == {"<unk>": 0, "hello": 1, "world": 2}
    (kept / "published" / "vectors.txt").write_text("damaged")
    with pytest.raises(OSError, match="vectors.zip"):
        cls(kept)


def test_published_vectors_are_checked(published):
    cls, folder, kept = published
    (folder / "vectors.zip").write_bytes(b"other")
    with pytest.raises(OSError, match="does not hold what was published"):
        cls(kept)
    assert not (kept / "published" / "vectors.zip").exists()


def test_refusals_are_assertions_and_values():
    for kind in (AssertionError, ValueError):
        with pytest.raises(kind, match="min_freq must be positive, got 0"):
            mx.contrib.text.vocab.Vocabulary(min_freq=0)


def test_metrics_go_to_tensorboard(monkeypatch, tmp_path):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            written.append(folder)

        def add_scalar(self, name, value, global_step):
            written.append((name, float(value), global_step))

    monkeypatch.setitem(sys.modules, "mxboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    callback = mx.contrib.tensorboard.LogMetricsCallback("logs", prefix="train")
    metric = mx.metric.Accuracy()
    metric.update([mx.nd.array([1, 0])], [mx.nd.array([[0, 1], [0, 1]])])
    callback(mx.model.BatchEndParam(3, 7, metric, None))
    callback(mx.model.BatchEndParam(3, 8, None, None))
    assert written == ["logs", ("train-accuracy", 0.5, 3)]


def test_tensorboard_needs_a_package(monkeypatch):
    for package in mx.contrib.tensorboard.WRITERS:
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="pip install mxboard"):
        mx.contrib.tensorboard.LogMetricsCallback("logs")


def test_loader_batches_are_filled_up_with_zeros():
    pairs = [(mx.nd.ones((3, 2)), mx.nd.array([1, 2, 3])), (mx.nd.ones((1, 2)), mx.nd.array([4]))]
    last = list(mx.contrib.io.DataLoaderIter(pairs, data_name="x", label_name="y"))[-1]
    assert last.pad == 2
    assert last.data[0].asnumpy().tolist() == [[1, 1], [0, 0], [0, 0]]
    assert last.label[0].asnumpy().tolist() == [4, 0, 0]
    with pytest.raises(ValueError, match="no batches"):
        mx.contrib.io.DataLoaderIter([])


def svrg_module(context, freq):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    net = mx.sym.LinearRegressionOutput(net, mx.sym.Variable("y"))
    return SVRGModule(net, label_names=["y"], update_freq=freq, context=context)


def test_svrg_trains_alike_on_one_device_and_two():
    x = np.random.RandomState(0).uniform(-1, 1, (24, 2)).astype("float32")
    found = []
    for context in (mx.cpu(), [mx.cpu(0), mx.cpu(1)]):
        module = svrg_module(context, 2)
        data = mx.io.NDArrayIter(x, x @ [1, 2], 8, label_name="y")
        module.fit(data, eval_metric="mse", optimizer_params={"learning_rate": 0.1, "momentum": 0.5}, num_epoch=5, initializer=mx.init.One())
        found.append(module.get_params()[0])
    for name, value in found[0].items():
        np.testing.assert_allclose(value.asnumpy(), found[1][name].asnumpy(), rtol=1e-5)


def test_svrg_gradients_of_all_data_begin_anew():
    data = mx.io.NDArrayIter(np.ones((4, 2)), np.ones(4), 2, label_name="y")
    module = svrg_module(mx.cpu(), 1)
    module.bind(data.provide_data, data.provide_label)
    module.init_params(mx.init.One())
    module.init_optimizer()
    module.update_full_grads(data)
    first = module._param_dict[0]["fc_weight"].asnumpy()
    module.update_full_grads(data)
    np.testing.assert_array_equal(module._param_dict[0]["fc_weight"].asnumpy(), first)
