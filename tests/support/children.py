"""Processes that die on purpose, forked from one that has imported everything already.

As a program: `children.py MODULE` reads the arguments of a run of MODULE's `main` from each line (a
JSON list), forks, and answers with the exit code, negative for a signal. One thread, and nothing
open that a fork must not share.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
Run = Callable[..., int]


@contextmanager
def children_of(module: ModuleType) -> Iterator[Run]:
    """Yield a function that runs a module's `main` in a process of its own; it returns the code."""
    with subprocess.Popen(
        [sys.executable, __file__, module.__name__],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        given, told = host.stdin, host.stdout

        def run(*arguments: object) -> int:
            given.write(json.dumps([str(one) for one in arguments]) + "\n")
            given.flush()
            return int(told.readline())

        yield run
        given.close()


def _serve(name: str) -> None:
    main = import_module(name).main
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            main(*json.loads(line))
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
