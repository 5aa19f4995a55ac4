"""`weft config`."""

import argparse
import importlib
import json
from pathlib import Path

from jobs.cli import fail
from jobs.settings_files import load_file, presets, training_presets
from schemas.setting_docs import commented, json_schema
from schemas.settings import Settings, SettingsError

#: Command -> where its settings are, and what it takes where none are named.
_KINDS = {
    "build": ("jobs.config", "BuildConfig", "default"),
    "fetch-pairs": ("jobs.config", "BuildConfig", "list"),
    "crawl": ("crawlers.crawl_config", "CrawlConfig", ""),
    "train": ("model.training.config", "TrainConfig", "tiny"),
    "evaluate": ("model.evaluation.harness", "EvaluateConfig", ""),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", default="", help="a preset, a YAML file, or a Python file with a `recipe`")
    parser.add_argument("--of", choices=tuple(_KINDS), help="whose settings; default build, or that of the preset")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="override a setting")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of such files, for editors")


def run(arguments: argparse.Namespace) -> int:
    command = arguments.of or ("train" if arguments.config in training_presets() else "build")
    module, name, default = _KINDS[command]
    kind: type[Settings] = getattr(importlib.import_module(module), name)
    if arguments.schema:
        print(json.dumps(json_schema(kind), indent=1))
        return 0
    named = {"build": presets, "fetch-pairs": presets, "train": training_presets}.get(command, dict[str, Path])
    try:
        if arguments.config.endswith(".py"):
            from jobs.phases.recipe import Recipe

            settings: Settings = Recipe.named(arguments.config, arguments.set).config
        else:
            settings = load_file(kind, arguments.config or default, arguments.set, named())
    except SettingsError as error:
        return fail(error, 2)
    print(commented(settings), end="")
    return 0
