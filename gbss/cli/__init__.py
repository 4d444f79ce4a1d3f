"""The command line. Heavy imports stand inside the commands, so that light ones stay light."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from gbss.cli import data, evaluation, grid, own, reports, runs, splits
from gbss.errors import GbssError, Stopped, in_our_words


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 after an error that was printed to standard error; 130 after Ctrl-C, 141 if nobody
        reads standard output any more, and 75 (try again later) after another signal.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough: `gbss rows | head`. Nothing is left to be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (GbssError, OSError) as error:
        # A loading process hands its error on as text, behind its whole traceback.
        text = str(in_our_words(error)).rsplit("GbssError: ", 1)[-1].strip()
        print(f"error: {text}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gbss",
        description="Gradient-based sampling for class-imbalanced semi-supervised detection.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (data, own, splits, runs, evaluation, grid, reports):
        module.add_to(commands)
    return parser
