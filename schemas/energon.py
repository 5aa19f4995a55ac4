"""What Megatron Energon needs to open weft's shards unchanged: the type of a sample, and the code that makes it."""

import msgspec


class Energon(msgspec.Struct, frozen=True):
    """A sample type of Energon, and the source of `sample_loader.py`."""

    sample_type: str
    loader: str

    def files(self) -> dict[str, bytes]:
        """What lies in `.nv-meta/`, by name."""
        dataset = _DATASET.format(sample_type=self.sample_type)
        return {"dataset.yaml": dataset.encode(), "sample_loader.py": self.loader.encode()}


#: For a kind that Energon has no type for.
CRUDE = {"dataset.yaml": b"__module__: megatron.energon\n__class__: CrudeWebdataset\n"}

_DATASET = """sample_type: {{__module__: megatron.energon, __class__: {sample_type}}}
sample_loader: sample_loader.py:sample_loader
part_filter: sample_loader.py:part_filter
"""

INTERLEAVED = Energon(
    "InterleavedSample",
    '''"""Opens weft's shards as Energon's InterleavedSample: a sequence of texts and images."""


def sample_loader(raw):
    document = raw["json"]
    return {
        "__key__": raw["__key__"],
        "sequence": [
            text if text is not None else raw[name.split(".", 1)[1]]
            for text, name in zip(document["texts"], document["images"])
        ],
    }


def part_filter(part):
    return True
''',
)

CAPTIONING = Energon(
    "CaptioningSample",
    '''"""Opens weft's pairs as Energon's CaptioningSample: an image and its caption."""


def sample_loader(raw):
    image = next(raw[name] for name in ("jpg", "png", "webp") if name in raw)
    return {"__key__": raw["__key__"], "image": image, "caption": raw["txt"]}


def part_filter(part):
    return part in ("jpg", "png", "webp", "txt")
''',
)
