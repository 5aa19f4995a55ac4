"""The command line: one module a command, imported only when it is called."""

import argparse
import errno
import importlib
import io
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from jobs.command_errors import told
from jobs.command_parser import Parser, nearest
from schemas import __version__

#: Command -> the module that has `add_arguments(parser)` and `run(arguments) -> int`, and its line of help.
COMMANDS = {
    "build": ("jobs.commands.build", "archives in, shards out: interleaved pages, pairs, clips"),
    "crawl": ("jobs.commands.crawl", "seeds in, web archives of pages and their media out; polite and resumable"),
    "fetch-pairs": ("jobs.commands.fetch_pairs", "lists of image addresses and captions in, sharded pairs out"),
    "inspect": (
        "jobs.commands.inspect",
        "totals, distributions and drop reasons of a dataset; --check verifies every byte",
    ),
    "explain": (
        "jobs.commands.explain",
        "one page, block by block: what is kept of it, and which rule drops the rest",
    ),
    "features": (
        "jobs.commands.features",
        "what a frozen vision encoder makes of a dataset's images, once and for all: to train without it",
    ),
    "train": ("jobs.commands.train", "a Flamingo model from shards: resumable, on one process or many"),
    "generate": ("jobs.commands.generate", "what a trained model says to pictures and text"),
    "evaluate": ("jobs.commands.evaluate", "few-shot scores of a trained model on tasks of local data"),
    "show": ("jobs.commands.show", "one sample in the terminal, its images in place"),
    "view": ("jobs.commands.view", "a web page on this machine to look through samples and what was dropped"),
    "report": (
        "jobs.commands.report",
        "one HTML file that shows what is in a dataset and what was dropped; two compared",
    ),
    "audit": (
        "jobs.commands.audit",
        "what was said about the use of a dataset or a sample, what was done, and where it comes from",
    ),
    "card": ("jobs.commands.card", "croissant.json and a card for the Hugging Face hub, and what only you can say"),
    "query": ("jobs.commands.query", "SQL over the index and the drops of a dataset"),
    "config": ("jobs.commands.config", "the settings of a preset or a file, all of them, with what each is for"),
    "subset": ("jobs.commands.subset", "the samples for which a condition holds, as a new dataset"),
    "import": ("jobs.commands.import_", "datasets of others in: archives of their samples, for weft build"),
    "export": ("jobs.commands.export", "a dataset in the forms of others: parquet, mmc4, Energon, Lance"),
    "export-model": (
        "jobs.commands.export_model",
        "a trained model as a folder that transformers loads, with its card",
    ),
    "import-model": ("jobs.commands.import_model", "weights of OpenFlamingo as a trained model of weft"),
    "remove": ("jobs.commands.remove", "samples and images taken out of a finished dataset by a deny list, for good"),
    "completion": ("jobs.commands.completion", "what a shell needs to complete commands and options"),
}


#: Those of which nothing is left that could go on.
_READING = frozenset(("inspect", "explain", "generate", "show", "view", "audit", "query", "config", "completion"))


def make_parser(only: str | None = None) -> tuple[Parser, Mapping[str, Parser]]:
    """The parser, and those of the commands, whose options are there for all of them or for one only."""
    parser = Parser(prog="weft", description="The web as training data for vision-language models.")
    parser.add_argument("--version", action="version", version=f"weft {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, help_line) in COMMANDS.items():
        command = commands.add_parser(name, help=help_line, description=help_line[0].upper() + help_line[1:] + ".")
        if only in (None, name):
            importlib.import_module(module).add_arguments(command)
    return parser, commands.choices


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the data is bad (named), 2 the call is wrong, 130 and 143 stopped by a signal."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = arguments[0] if arguments else ""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # a terminal that has not all letters shows the rest
    ended_by = signal.SIGINT

    def end(number: int, frame: FrameType | None) -> None:
        """As Ctrl-C does, which Ray knows to hand on; once, for what is being ended is not to be left half ended."""
        nonlocal ended_by
        ended_by = signal.Signals(number)
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        with _sigterm_handled(end):
            code = _call(command, arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _print_no_more()
        return 0
    except KeyboardInterrupt:
        return _stopped(command, ended_by)
    except SystemExit as exit:
        if exit.code != signal.SIGTERM:  # which Ray takes while it starts, and ends with its number
            raise
        return _stopped(command, signal.SIGTERM)
    except Exception as error:
        if said := told(error, command):
            if isinstance(error, OSError):  # perhaps of what is printed: it would be tried again at the end
                _print_no_more()
            return fail(*said)
        raise


@contextmanager
def _sigterm_handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Where nobody else has decided what it does."""
    is_free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not is_free or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _call(command: str, arguments: list[str]) -> int:
    """Parse what stands behind `weft` and run it; the exit code."""
    parser, commands = make_parser(only=command)
    if called := commands.get(command):
        called.check_options(arguments[1:])
    if command and not command.startswith("-") and command not in COMMANDS:
        return fail(f"no such command: {command}{nearest(command, COMMANDS)} (weft --help lists them)", 2)
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands.get(parsed.command, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if parsed.command is None:
        parser.print_help()
        return 2
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING, handlers=[_StandardError()])
    return int(importlib.import_module(COMMANDS[parsed.command][0]).run(parsed))


def _stopped(command: str, by: signal.Signals) -> int:
    how = "terminated" if by == signal.SIGTERM else "interrupted"
    stays = "" if command in _READING else "; what is committed stays, the same command goes on"
    print(f"{how}{stays}", file=sys.stderr)
    return 128 + by


def _print_no_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is when there is something to write: a progress bar takes its place for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def positive(text: str) -> int:
    """The type of options that count something."""
    number = int(text) if text.strip().lstrip("+-").isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"a number of 1 or more is wanted, not {text!r}")
    return number


def not_negative(text: str) -> float:
    """The type of options that measure something."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"a number of 0 or more is wanted, not {text!r}")
    return number


def port(text: str) -> int:
    """The type of `--port`."""
    number = int(text) if text.strip().isdecimal() else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"a port from 0 to 65535 is wanted, not {text!r}")
    return number


def add_inputs(parser: argparse.ArgumentParser, text: str) -> None:
    """The option that names archives."""
    parser.add_argument("--input", nargs="+", action="extend", default=[], metavar="GLOB", help=text)


def add_archives(parser: argparse.ArgumentParser) -> None:
    """The option of commands that show a dataset's pages as they were captured."""
    add_inputs(
        parser,
        "the archives of the build, as weft build takes them, to show pages as they were captured; no others are "
        "opened, whatever the dataset names",
    )


def add_own_steps(parser: argparse.ArgumentParser) -> None:
    """The option of commands that judge a dataset's pages anew."""
    parser.add_argument(
        "--own-steps",
        action="store_true",
        help="import and run the steps of their own that the builder of the dataset named, on pages shown as captured: "
        "they are code, so only for a dataset that you trust",
    )


def fail(message: object, code: int) -> int:
    """Print an error as every command does; returns the exit code."""
    with suppress(BrokenPipeError):
        print(f"weft: {message}", file=sys.stderr)
    return code


def elsewhere(error: OSError) -> str:
    """What to do where a dataset takes no files, for a command that writes into it unless `-o` is given."""
    return "; -o FILE writes it elsewhere" if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) else ""


if __name__ == "__main__":
    sys.exit(main())
