"""The command line, ``weft``: ``weft info`` and ``weft train digits``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .base import MXNetError
from .libinfo import __version__

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.progress import ProgressColumn

    from .digits import Digits, Net

    Rows = list[tuple[str, object]]

__all__ = ["main"]


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weft", description="MXNet's programming model on a new asynchronous engine.")
    parser.add_argument("--version", action="version", version=f"weft {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("info", help="versions, devices, kernels in use, engine settings").set_defaults(run=_info)
    commands.add_parser("coverage", help="write docs/coverage.md (in a checkout)").set_defaults(run=_coverage)
    train = commands.add_parser("train", help="train a network on data that comes with weft")
    jobs = train.add_subparsers(dest="job", required=True, metavar="JOB")
    digits = jobs.add_parser(
        "digits",
        help="a small convolutional net on the UCI handwritten digits",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    digits.add_argument("--epochs", type=_positive, default=15, help="how often every image is learned from")
    digits.add_argument("--batch-size", type=_positive, default=32, help="images a step")
    digits.add_argument("--seed", type=int, default=0, help="seed of the initial weights, the order and the dropout")
    digits.add_argument("--out", type=pathlib.Path, default=pathlib.Path("digits"), help="folder for the parameters and trace.json")
    digits.add_argument(
        "--mode",
        choices=["imperative", "symbolic"],
        default="imperative",
        help="how the network runs: operator by operator, or declared as a graph and trained through Module",
    )
    digits.set_defaults(run=_train_digits)
    return parser


def _coverage(args: argparse.Namespace, console: Console) -> int:
    from ..ops import coverage

    return coverage.main([])


def _table(title: str, rows: Sequence[tuple[str, object]], console: Console) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, min_width=48)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, str(value))
    console.print(table)


def _info(args: argparse.Namespace, console: Console) -> int:
    from . import information

    for title, rows in information.tables():
        _table(title, rows, console)
    return 0


def _train_digits(args: argparse.Namespace, console: Console) -> int:
    from .. import profiler
    from . import digits

    args.out.mkdir(parents=True, exist_ok=True)
    data = digits.load_digits()
    order = digits.seed_everything(args.seed)
    console.print(f"{len(data.train_labels)} images to learn from, {len(data.test_labels)} held out; {args.epochs} epochs")
    begin = time.perf_counter()
    train = _train_symbolic if args.mode == "symbolic" else _train_imperative
    with profiler.trace(args.out / "trace.json"):
        accuracy, written = train(data, order, args, console)
    rows = [
        ("held-out accuracy", f"{accuracy:.2%}"),
        ("time", f"{time.perf_counter() - begin:.1f} s"),
        *written,
        ("trace", f"{args.out / 'trace.json'} (open in chrome://tracing or ui.perfetto.dev)"),
    ]
    _table(f"weft train digits, {args.mode}", rows, console)
    return 0


def _train_imperative(data: Digits, order: np.random.Generator, args: argparse.Namespace, console: Console) -> tuple[float, Rows]:
    from . import digits
    from . import ndarray as nd

    net = digits.Net()
    accuracy = _fit(net, data, order, args, console)
    parameters = args.out / "digits.params"
    nd.save(str(parameters), {f"arg:{name}": value for name, value in net.parameters.items()})
    return accuracy, [("parameters", parameters)]


def _train_symbolic(data: Digits, order: np.random.Generator, args: argparse.Namespace, console: Console) -> tuple[float, Rows]:
    from rich.progress import Progress

    from . import callback, digits

    steps = -(-len(data.train_labels) // args.batch_size)
    with Progress(*_columns(), console=console) as progress, _logging_to(console):
        bar = progress.add_task("training", total=args.epochs * steps, figures="")

        def after_batch(param: Any) -> None:
            progress.advance(bar)

        def after_epoch(param: Any) -> None:
            progress.update(bar, figures=f"epoch {param.epoch + 1}/{args.epochs}  held out {param.eval_metric.get()[1]:.2%}")

        speed = callback.Speedometer(args.batch_size, frequent=max(1, (steps - 1) // 2))
        callbacks: dict[str, Any] = {"batch_end_callback": [after_batch, speed], "eval_end_callback": after_epoch}
        module = digits.fit_module(data, args.epochs, args.batch_size, **callbacks)
        module.save_checkpoint(str(args.out / "digits"), args.epochs)
    prefix = args.out / "digits"
    written: Rows = [("graph", f"{prefix}-symbol.json"), ("parameters", f"{prefix}-{args.epochs:04d}.params")]
    return digits.module_accuracy(module, data), written


@contextlib.contextmanager
def _logging_to(console: Console) -> Iterator[None]:
    """Print what training logs, such as the lines of Speedometer."""

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.print(record.getMessage().expandtabs(4), highlight=False, markup=False)

    root, printer = logging.getLogger(), Printer()
    level = root.level
    root.addHandler(printer)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(printer)
        root.setLevel(level)


def _columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    return (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"), TimeElapsedColumn())


def _fit(net: Net, data: Digits, order: np.random.Generator, args: argparse.Namespace, console: Console) -> float:
    """Train for all epochs with a progress bar, and return the held-out accuracy at the end."""
    from rich.progress import Progress

    from . import digits
    from . import ndarray as nd

    steps = -(-len(data.train_labels) // args.batch_size)
    rate, accuracy = net.learning_rate, 0.0
    with Progress(*_columns(), console=console) as progress:
        bar = progress.add_task("training", total=args.epochs * steps, figures="")
        for epoch in range(args.epochs):
            net.learning_rate = rate * (1 - 0.9 * epoch / args.epochs)
            losses = []
            for loss in digits.train_epoch(net, data.train_images, data.train_labels, args.batch_size, order):
                losses.append(loss)
                progress.advance(bar)
            mean = float(nd.concat(*losses, dim=0).mean().asscalar())
            accuracy = digits.accuracy(net, data.test_images, data.test_labels)
            figures = f"epoch {epoch + 1}/{args.epochs}  loss {mean:.4f}  held out {accuracy:.2%}"
            progress.update(bar, figures=figures)
            if not console.is_terminal:
                console.print(figures)
    return accuracy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments; those of the process by default.

    Examples
    --------
    >>> main(["train", "digits", "--epochs", "1"])  # doctest: +SKIP
    """
    from rich.console import Console

    args = _parser().parse_args(arguments)
    console = Console()
    try:
        return args.run(args, console)
    except (MXNetError, OSError) as error:
        print(f"weft: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("weft: interrupted", file=sys.stderr)
        return 130
