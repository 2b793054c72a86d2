"""The command line."""

import json
import subprocess
import sys

import numpy as np
import pytest

import weft as mx
from weft.frontend import cli


def test_info(capsys):
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for word in (mx.__version__, "NumPy", "cpu(0)", "native kernels", "threaded", "cores"):
        assert word in printed


def test_wrong_arguments(capsys):
    for arguments, message in (
        ([], "COMMAND"),
        (["train"], "JOB"),
        (["train", "digits", "--epochs", "0"], "must be a whole number above 0, got '0'"),
        (["train", "digits", "--mode", "magic"], "magic"),
        (["fly"], "fly"),
    ):
        with pytest.raises(SystemExit) as error:
            cli.main(arguments)
        assert error.value.code == 2
        assert message in capsys.readouterr().err


def test_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["train", "digits", "--out", str(tmp_path / "file" / "digits")]) == 1
    assert "file" in capsys.readouterr().err


def test_installed_as_a_module():
    done = subprocess.run([sys.executable, "-m", "weft", "--version"], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"weft {mx.__version__}\n"


def test_train_digits(tmp_path, capsys):
    assert cli.main(["train", "digits", "--epochs", "4", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "epoch 4/4" in printed and "held-out accuracy" in printed

    parameters = mx.nd.load(str(tmp_path / "digits.params"))
    assert parameters["arg:conv1_weight"].shape == (16, 1, 3, 3)
    assert all(np.isfinite(value.asnumpy()).all() for value in parameters.values())

    from weft.frontend import digits

    data = digits.load_digits()
    net = digits.Net()
    for name, value in parameters.items():
        net.parameters[name.removeprefix("arg:")] = value
    assert digits.accuracy(net, data.test_images, data.test_labels) > 0.93

    names = {event["name"] for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert {"Convolution", "adam_update"} <= names


def test_train_digits_symbolic(tmp_path, capsys):
    assert cli.main(["train", "digits", "--mode", "symbolic", "--epochs", "4", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "epoch 4/4" in printed and "samples/sec" in printed and "Validation-accuracy" in printed

    from weft.frontend import digits

    data = digits.load_digits()
    module = mx.mod.Module.load(str(tmp_path / "digits"), 4, label_names=None)
    module.bind([("data", (256, 1, 8, 8))], for_training=False)
    assert digits.module_accuracy(module, data) > 0.93

    names = {event["name"] for event in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert "adam_update" in names


@pytest.mark.slow
def test_symbolic_digits_reach_the_accuracy_of_the_imperative_ones():
    from weft.frontend import digits

    data = digits.load_digits()
    digits.seed_everything(0)
    assert digits.module_accuracy(digits.fit_module(data, 15, 32), data) >= 0.975


def test_seed_decides_the_result():
    from weft.frontend import digits

    data = digits.load_digits()
    weights = []
    for seed in (1, 1, 2):
        order = digits.seed_everything(seed)
        net = digits.Net()
        for _ in digits.train_epoch(net, data.train_images[:128], data.train_labels[:128], 32, order):
            pass
        weights.append(net.parameters["dense_weight"].asnumpy())
    # How a sum is cut into parts may depend on how many cores were free.
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-4, atol=1e-5)
    assert np.abs(weights[0] - weights[2]).max() > 0.01
