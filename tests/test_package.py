"""The package's face: module aliases, weft as mxnet, top-level names."""

import importlib
import importlib.util
import pickle
import subprocess
import sys

import pytest

import weft
from weft.frontend.aliases import real_name


def run(*arguments, **options):
    """Run Python in a process of its own, and return what it printed."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name, real",
    [
        ("weft.nd", "weft.frontend.ndarray"),
        ("weft.nd.random", "weft.frontend.ndarray.random"),
        ("weft.sym", "weft.frontend.symbol"),
        ("weft.gluon.nn", "weft.frontend.gluon.nn"),
        ("weft.engine", None),
        ("weft.engine._version", None),
        ("weft.frontend.base", None),
        ("weft", None),
        ("weftware.nd", None),
    ],
)
def test_real_names(name, real):
    assert real_name(name) == real


@pytest.mark.parametrize("name", ["base", "context", "util", "log", "runtime", "libinfo", "error"])
def test_one_module_object_for_both_names(name):
    short = importlib.import_module(f"weft.{name}")
    assert short is importlib.import_module(f"weft.frontend.{name}")
    assert short is getattr(weft, name)
    assert short.__spec__.name == f"weft.frontend.{name}"
    assert importlib.reload(short) is short if name == "error" else True


def test_short_names_are_one_module():
    code = (
        "import weft.nd, weft.ndarray, weft.frontend.ndarray, sys\n"
        "print(weft.nd is weft.ndarray is weft.frontend.ndarray is sys.modules['weft.nd'])"
    )
    assert run("-c", code) == "True\n"


def test_modules_that_do_not_exist():
    assert importlib.util.find_spec("weft.no_such_module") is None
    with pytest.raises(ModuleNotFoundError, match=r"weft\.no_such_module"):
        importlib.import_module("weft.no_such_module")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("weft.base.deeper")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = weft.no_such_name
    assert not hasattr(weft, "no_such_module")


def test_find_spec_of_an_alias():
    spec = importlib.util.find_spec("weft.util")
    assert spec is not None and spec.origin.endswith("util.py")


def test_dir_lists_what_can_be_had():
    for name in dir(weft):
        assert getattr(weft, name) is not None or name.startswith("__")
    assert {"cpu", "gpu", "Context", "base", "engine", "util"} <= set(dir(weft))


def test_import_of_all_names():
    names = {}
    exec("from weft import *", names)
    assert {"cpu", "Context", "base", "install_as_mxnet"} <= names.keys()
    assert not {"lazy_attributes", "_MODULES"} & names.keys()


def test_import_is_lazy():
    assert run("-c", "import weft, sys; print('numpy' in sys.modules)") == "False\n"


def test_version_passes_the_checks_of_programs():
    numbers = tuple(int(part) for part in weft.__version__.split("."))
    assert (1, 9, 1) <= numbers < (2,)
    assert weft.__version__ >= "1.9.1"  # programs that compare strings
    assert weft.libinfo.__version__ == weft.__version__


def test_install_as_mxnet():
    code = """
import importlib.util, pickle, sys
import weft
weft.install_as_mxnet()
weft.install_as_mxnet()
assert "mxnet" not in sys.modules  # programs look there, to come before MXNet
weft.nd.zeros
import mxnet, mxnet as mx, mxnet.base
mx.sym.Variable
assert sys.modules["mxnet.ndarray"] is mx.nd and sys.modules["mxnet.symbol"] is mx.sym  # where libraries look for what is in use
from mxnet import util
from mxnet.context import Context
assert mxnet is mx is weft
assert util is weft.util is mxnet.util
assert mxnet.base is weft.base is sys.modules["weft.frontend.base"]
assert Context is weft.Context
assert mxnet.engine is weft.engine
from mxnet.ndarray import NDArray
from mxnet import nd, autograd
assert nd is weft.nd is mxnet.ndarray is sys.modules["weft.frontend.ndarray"]
assert autograd is weft.autograd
assert isinstance(weft.nd.ones((2,)), NDArray)
assert importlib.util.find_spec("mxnet.runtime") is not None
assert importlib.util.find_spec("mxnet.runtimes") is None
assert importlib.util.find_spec("mxnet") is not None
again = pickle.loads(pickle.dumps(mxnet.cpu(1)))
assert again is weft.cpu(1)
assert pickle.loads(b"cmxnet.base\\nMXNetError\\n.") is weft.MXNetError
print("ok")
"""
    assert run("-c", code) == "ok\n"


def test_install_as_mxnet_refuses_a_second_mxnet():
    code = """
import sys, types
sys.modules["mxnet"] = types.ModuleType("mxnet")
import weft
try:
    weft.install_as_mxnet()
except RuntimeError as error:
    print(error)
"""
    assert "mxnet is already imported" in run("-c", code)


def test_as_mxnet_runs_a_script(tmp_path):
    (tmp_path / "helper.py").write_text("value = 7\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, mxnet as mx, helper, weft\n"
        "print(__name__, sys.argv[1:], helper.value, mx is weft, __file__ == sys.argv[0])\n"
    )
    assert run("-m", "weft.as_mxnet", str(script), "--lr", "0.1") == "__main__ ['--lr', '0.1'] 7 True True\n"


def test_as_mxnet_runs_a_module(tmp_path):
    (tmp_path / "program.py").write_text("import sys, mxnet\nprint(sys.argv[1:], mxnet.__name__)\n")
    assert run("-m", "weft.as_mxnet", "-m", "program", "x", cwd=tmp_path) == "['x'] weft\n"


def test_as_mxnet_passes_the_exit_status_on(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import mxnet, sys\nsys.exit(3)\n")
    assert subprocess.run([sys.executable, "-m", "weft.as_mxnet", str(script)], timeout=120).returncode == 3
    missing = subprocess.run([sys.executable, "-m", "weft.as_mxnet", "none.py"], capture_output=True, text=True, timeout=120)
    assert missing.returncode == 2 and "none.py" in missing.stderr


def test_errors_pickle():
    error = pickle.loads(pickle.dumps(weft.MXNetError("message")))
    assert isinstance(error, weft.MXNetError) and isinstance(error, RuntimeError) and error.args == ("message",)


def test_features():
    features = weft.runtime.Features()
    assert features is weft.runtime.Features()
    assert features.is_enabled("int64_tensor_size") and not features.is_enabled("CUDA")
    assert [feature.name for feature in weft.runtime.feature_list()] == list(features)
    with pytest.raises(RuntimeError, match="'NOPE' is unknown, known features are"):
        features.is_enabled("NOPE")


def test_numpy_shape_switch():
    util = weft.util
    assert not weft.is_np_shape()
    with weft.np_shape():
        assert util.is_np_shape()
        with weft.np_shape(False):
            assert not util.is_np_shape()
        assert util.is_np_shape()
    assert not util.is_np_shape()
    with pytest.raises(TypeError, match="active must be a bool"):
        weft.set_np_shape("yes")
    with pytest.raises(weft.MXNetError, match="no mxnet.numpy arrays"):
        util.set_np()


def test_environment_reaches_the_c_library(monkeypatch):
    monkeypatch.setenv("WEFT_TEST_VARIABLE", "0")
    weft.util.setenv("WEFT_TEST_VARIABLE", "1")
    assert weft.util.getenv("WEFT_TEST_VARIABLE") == "1"
    assert weft.util.getenv("WEFT_TEST_VARIABLE_UNSET") is None


def test_libraries_and_headers_are_installed():
    import pathlib

    assert all(pathlib.Path(path).is_file() for path in weft.libinfo.find_lib_path())
    assert (pathlib.Path(weft.libinfo.find_include_path()) / "engine" / "core" / "engine.hpp").is_file()


def test_loggers(tmp_path):
    path = tmp_path / "log.txt"
    logger = weft.log.get_logger("weft.test", str(path), level=weft.log.INFO)
    assert weft.log.get_logger("weft.test") is logger
    logger.info("loss %d", 3)
    for handler in logger.handlers:
        handler.close()
    assert path.read_text().startswith("I") and "loss 3" in path.read_text()
    with pytest.warns(DeprecationWarning):
        weft.log.getLogger("weft.test")


@pytest.mark.parametrize("kind", ["ndarray", "symbol"])
def test_star_imports_bring_operators_too(kind):
    names = {}
    exec(f"from weft.{kind}.contrib import *\nfrom weft.{kind}.random import *\nfrom weft.{kind}._internal import *", names)
    assert {"foreach", "box_nms", "boolean_mask", "uniform_like", "_plus_scalar"} <= names.keys()
    assert not {"np", "annotations", "attach", "Any"} & names.keys()


@pytest.mark.parametrize("name, where", [("gen_op", "op"), ("gen_contrib", "contrib"), ("gen__internal", "_internal")])
def test_modules_of_generated_functions_are_those_in_use(name, where):
    for kind in ("nd", "symbol"):
        assert importlib.import_module(f"weft.{kind}.{name}") is importlib.import_module(f"weft.{kind}.{where}")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"weft.{kind}.gen_nothing")


def test_old_schedulers():
    from weft.misc import FactorScheduler, LearningRateScheduler

    with pytest.raises(NotImplementedError, match="LearningRateScheduler must define"):
        LearningRateScheduler()(1)
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        FactorScheduler(0)
    with pytest.raises(ValueError, match=r"factor must be below 1 .* got 1"):
        FactorScheduler(1, 1.0)
    scheduler = FactorScheduler(2)
    assert [round(scheduler(step), 9) for step in range(5)] == [0.01, 0.01, 0.001, 0.001, 0.0001]
