"""The web as training data for vision-language models, from Python: what `weft` does on the command line.

    import weft

    weft.crawl("crawl", ["https://example.org/"], contact="https://me.example/crawler")
    ds = weft.build("out", "crawl/warc/*.warc.gz", "obelics")  # or weft.open("out"), here or on S3
    ds.where("num_images >= 3")[0].images

This module is all that is promised to stay; docs/python.md describes each name. Importing it imports nothing else: a
name is looked up when it is first used. None but `Loader` and `load_model` needs torch, and only `build` and `crawl`
start Ray.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawlers.inputs import InputError
    from crawlers.ranking import Link
    from jobs.config import BuildConfig
    from jobs.crawl.drive import CrawlError
    from jobs.dataset.index import QueryError
    from jobs.dataset.summary import NotADataset
    from jobs.phases.recipe import Recipe
    from jobs.phases.run import BuildError
    from model.data.config import LoaderConfig
    from pipeline.image.codec import DecodedImage
    from schemas import __version__
    from schemas.clips import Clip as CutClip
    from schemas.documents import Draft, Page
    from schemas.drops import Drop, StepError
    from schemas.pairs import PairRef
    from schemas.settings import SettingsError
    from schemas.shards import DamagedShard
    from schemas.videos import VideoDraft
    from weft.building import build, crawl, remove
    from weft.dataset import Dataset
    from weft.dataset import open_dataset as open
    from weft.explaining import Verdicts, explain
    from weft.samples import Clip, InterleavedSample, PairSample, Picture, Provenance
    from weft.training import Loader, Model, load_model

#: Name -> where it is: a module, and after a colon what it is called there if that is another name.
_PLACES = {
    "build": "weft.building",
    "crawl": "weft.building",
    "remove": "weft.building",
    "Recipe": "jobs.phases.recipe",
    "BuildConfig": "jobs.config",
    "Drop": "schemas.drops",
    "Page": "schemas.documents",
    "Draft": "schemas.documents",
    "Link": "crawlers.ranking",
    "DecodedImage": "pipeline.image.codec",
    "PairRef": "schemas.pairs",
    "VideoDraft": "schemas.videos",
    "CutClip": "schemas.clips:Clip",
    "explain": "weft.explaining",
    "Verdicts": "weft.explaining",
    "open": "weft.dataset:open_dataset",
    "Dataset": "weft.dataset",
    "InterleavedSample": "weft.samples",
    "PairSample": "weft.samples",
    "Clip": "weft.samples",
    "Picture": "weft.samples",
    "Provenance": "weft.samples",
    "Loader": "weft.training",
    "LoaderConfig": "model.data.config",
    "load_model": "weft.training",
    "Model": "weft.training",
    "NotADataset": "jobs.dataset.summary",
    "QueryError": "jobs.dataset.index",
    "DamagedShard": "schemas.shards",
    "SettingsError": "schemas.settings",
    "InputError": "crawlers.inputs",
    "BuildError": "jobs.phases.run",
    "CrawlError": "jobs.crawl.drive",
    "StepError": "schemas.drops",
    "__version__": "schemas",
}

__all__ = [
    "BuildConfig",
    "BuildError",
    "Clip",
    "CrawlError",
    "CutClip",
    "DamagedShard",
    "Dataset",
    "DecodedImage",
    "Draft",
    "Drop",
    "InputError",
    "InterleavedSample",
    "Link",
    "Loader",
    "LoaderConfig",
    "Model",
    "NotADataset",
    "Page",
    "PairRef",
    "PairSample",
    "Picture",
    "Provenance",
    "QueryError",
    "Recipe",
    "SettingsError",
    "StepError",
    "Verdicts",
    "VideoDraft",
    "__version__",
    "build",
    "crawl",
    "explain",
    "load_model",
    "open",
    "remove",
]

#: What the extra `train` brings.
_OF_TRAINING = ("torch", "tokenizers", "transformers", "safetensors")


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"weft has no {name!r}; it has {', '.join(sorted(__all__))}")
    module, _, called = _PLACES[name].partition(":")
    try:
        found = getattr(importlib.import_module(module), called or name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OF_TRAINING:
            needed = f"weft.{name} needs {error.name}: pip install -c constraints.txt -e '.[train]'"
            raise ModuleNotFoundError(needed, name=error.name) from None
        raise
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
