"""Two programs measured in turn, each in a process of its own so that neither's threads disturb the other."""

from __future__ import annotations

import subprocess
import sys
import time

# After its last parallel loop an OpenMP team (PyTorch's) spins for some milliseconds. A side that is asked meanwhile has
# one core less: measured, sums and element-wise operators of weft took up to 1.75 times as long.
PAUSE = 0.03


class Side:
    """A process that answers every line of numbers with a line of numbers.

    Parameters
    ----------
    python : str
        Interpreter of the process.
    script : str
        Bench to run; it is told ``--serve name`` and calls :func:`serve`.
    """

    def __init__(self, name, python, script, environ=None):
        self.name = name
        self.process = subprocess.Popen(
            [python, script, "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )

    def ask(self, *numbers):
        """Send numbers when the other side has come to rest, return the numbers that come back."""
        time.sleep(PAUSE)
        self.process.stdin.write(" ".join(map(str, numbers)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name}: the process ended with code {self.process.wait()}")
        return [float(word) for word in line.split()]

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def serve(answer):
    """Answer the lines on standard input with ``answer(*numbers)``."""
    for line in sys.stdin:
        print(*answer(*(int(word) for word in line.split())), flush=True)
