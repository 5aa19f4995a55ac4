"""`weft completion`."""

import argparse

import shtab

from jobs.cli import make_parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = """examples:
  eval "$(weft completion bash)"                        # in ~/.bashrc
  weft completion zsh > ~/.zfunc/_weft                  # a folder of fpath
  weft completion fish > ~/.config/fish/completions/weft.fish"""
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)


def run(arguments: argparse.Namespace) -> int:
    parser, _ = make_parser()
    print(shtab.complete(parser, arguments.shell))
    return 0
