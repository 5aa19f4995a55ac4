"""Options of the commands that make datasets: where they run, and what they do about the web."""

import argparse
from typing import TYPE_CHECKING

from jobs.cli import not_negative, positive

_LAST_PORT = 65_535

if TYPE_CHECKING:
    from jobs.engine.engine import EngineSettings


def add_fetching(parser: argparse.ArgumentParser) -> None:
    """What is done about images and videos of the web that were asked for before."""
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="ask again for images and videos that failed for a reason that may have passed, and make their samples",
    )
    add_status_port(parser, "while images and videos are fetched: ")
    parser.add_argument(
        "--media-from", default="", metavar="DIR", help="read what another build has fetched, and ask nobody"
    )


def add_status_port(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Where what fetches tells how far it is; `when` it does."""
    told = f"{when}a page and /metrics for Prometheus, on this machine alone"
    parser.add_argument("--status-port", type=_port, default=0, metavar="N", help=told)


def _port(text: str) -> int:
    if (number := positive(text)) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is at most {_LAST_PORT}, not {text!r}")
    return number


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Where and how wide a job runs."""
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray", help="inline works in this one process")
    parser.add_argument("--address", default="", help="of a Ray cluster; default RAY_ADDRESS, else this machine")
    parser.add_argument(
        "--workers", type=positive, default=0, help="partitions at a time on this machine; default its CPUs"
    )
    parser.add_argument(
        "--slow-factor",
        type=not_negative,
        default=4.0,
        help="on Ray, what takes so many times as long as most is tried a second time beside itself; 0: never",
    )


def engine_of(arguments: argparse.Namespace) -> "EngineSettings":
    """What was asked for by these options."""
    from jobs.engine.engine import EngineSettings

    return EngineSettings(
        engine=arguments.engine,
        address=arguments.address,
        workers=arguments.workers,
        slow_factor=arguments.slow_factor,
    )
