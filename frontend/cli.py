"""The command line, ``weft``: ``weft info`` and ``weft train digits``."""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .base import MXNetError
from .libinfo import __version__

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from .digits import Digits, Net

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
    digits.add_argument("--out", type=pathlib.Path, default=pathlib.Path("digits"), help="folder for digits.params and trace.json")
    digits.add_argument("--mode", choices=["imperative"], default="imperative", help="how the network runs")
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
    from . import ndarray as nd

    args.out.mkdir(parents=True, exist_ok=True)
    data = digits.load_digits()
    order = digits.seed_everything(args.seed)
    net = digits.Net()
    console.print(f"{len(data.train_labels)} images to learn from, {len(data.test_labels)} held out; {args.epochs} epochs")
    begin = time.perf_counter()
    with profiler.trace(args.out / "trace.json"):
        accuracy = _fit(net, data, order, args, console)
    parameters = args.out / "digits.params"
    nd.save(str(parameters), {f"arg:{name}": value for name, value in net.parameters.items()})
    rows = [
        ("held-out accuracy", f"{accuracy:.2%}"),
        ("time", f"{time.perf_counter() - begin:.1f} s"),
        ("parameters", parameters),
        ("trace", f"{args.out / 'trace.json'} (open in chrome://tracing or ui.perfetto.dev)"),
    ]
    _table("weft train digits", rows, console)
    return 0


def _fit(net: Net, data: Digits, order: np.random.Generator, args: argparse.Namespace, console: Console) -> float:
    """Train for all epochs with a progress bar, and return the held-out accuracy at the end."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from . import digits
    from . import ndarray as nd

    steps = -(-len(data.train_labels) // args.batch_size)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"), TimeElapsedColumn())
    rate, accuracy = net.learning_rate, 0.0
    with Progress(*columns, console=console) as progress:
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
