"""Features are written a shard at a time: whole or not at all, once, and by whatever engine."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import yaml

from jobs.cli import main
from jobs.dataset import features as features_module
from jobs.dataset.features import Encoders, FeaturesConfig, FeaturesError, write_features
from jobs.dataset.features_settings import kinds_of
from jobs.engine.engine import EngineSettings
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import frames_of
from model.data.listing import list_shards
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.data.plain import read_documents
from model.data.reading import TarFile
from model.features.encoding import EncoderHost, stored_of
from model.network.config import VisionSettings
from model.network.vision.encoder import make_encoder
from schemas.drops import StepError
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.jobs.dataset.test_append import finish
from tests.model.features.makers import PLAIN, VISION, broken, clip, clip_sample, make_features
from tests.model.makers import page, pair, some_tokens, write_dataset, write_foreign_tar
from tests.weft.makers import make_dataset

CONFIG = FeaturesConfig(vision=VISION, images=PLAIN)
INLINE = EngineSettings(engine="inline")


@pytest.fixture
def run_file(tmp_path: Path) -> str:
    """The YAML of a training run."""
    settings = {
        "output": "run",
        "model": {"vision": {"image_px": 16, "patch_px": 8, "dim": 48}},
        "data": {"images": {"size_px": 16}},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    return str(tmp_path / "run.yaml")


def features(path: Path, encoder: str, out: Path, *options: str) -> int:
    return main(["features", str(path), "--encoder", encoder, "-o", str(out), "--engine", "inline", *options])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_command_writes_a_tar_for_each_shard_and_says_what_is_in_it(
    tmp_path: Path, run_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [pair(n) for n in range(20)]
    pairs[3] = broken(pairs[3], 0)
    write_dataset(tmp_path / "pairs", pairs)
    assert features(tmp_path / "pairs", run_file, tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "pairs: 20 samples, 19 frames, " in told
    assert "without features: broken_image 1" in told
    assert f"features: {tmp_path}/out/pairs" in told
    assert sorted(contents(tmp_path / "out/pairs")) == [
        *(f"commit/00000{n}-000.json" for n in range(3)),
        "features.json",
        *(f"shards/00000{n}-000.tar{ending}" for n in range(3) for ending in ("", ".idx")),
    ]


def test_samples_of_another_kind_are_counted_and_told(
    tmp_path: Path, run_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(9)])
    assert features(tmp_path / "pairs", run_file, tmp_path / "out", "--kind", "interleaved") == 1
    out, err = capsys.readouterr()
    assert "without features: broken_sample 9" in out
    assert "of its 9 samples none is of interleaved with media" in err


def test_webdataset_reads_the_arrays_by_the_keys_of_the_shards(tmp_path: Path) -> None:
    import webdataset

    write_dataset(tmp_path / "pages", [page(n, images=2) for n in range(7)])
    for stored_as, dtype in (("float16", np.float16), ("int8", np.int8)):
        make_features(tmp_path / "pages", "interleaved", tmp_path / stored_as, stored_as=stored_as)
        tar = str(tmp_path / stored_as / "shards/000000-000.tar")
        samples = list(webdataset.WebDataset(tar, shardshuffle=False).decode())
        assert [sample["__key__"] for sample in samples] == [page(n)[0] for n in range(7)]
        assert samples[0]["1.npy"].dtype == dtype
        assert samples[0]["1.npy"].shape == (1, 4, 48)
    assert samples[0]["1.scale.npy"].shape == (1, 48)


def test_an_interrupted_command_goes_on_and_a_grown_dataset_gets_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [pair(n) for n in range(28)]
    write_dataset(tmp_path / "pairs", samples[:21])
    write, made = features_module.write_shard, []

    def failing(file: Any, shard: TarFile, *rest: Any) -> Any:
        made.append(shard.name)
        if len(made) in (2, 3, 4):  # each attempt at the second
            file.write(b"half")
            raise OSError("no space left")
        return write(file, shard, *rest)

    monkeypatch.setattr(features_module, "write_shard", failing)
    output = Store(str(tmp_path / "out"))

    def run() -> Any:
        return write_features(str(tmp_path / "pairs"), "pairs", output, CONFIG, INLINE, Encoders())

    with pytest.raises(FeaturesError, match="1 of 3 files could not be done, first 000001-000"):
        run()
    assert output.list("shards") == [f"00000{n}-000.tar{ending}" for n in (0, 2) for ending in ("", ".idx")]
    (tmp_path / "out/shards/.abc.000001-000.tar.tmp").write_bytes(b"of one that was killed")
    before, made[:] = contents(tmp_path / "out"), ["-"] * 4
    assert run().samples == 21
    assert made[4:] == ["shards/000001-000.tar"]
    after = contents(tmp_path / "out")
    assert {name: after.get(name) for name in before if ".abc." not in name} == {
        name: data for name, data in before.items() if ".abc." not in name
    }
    assert not any(".abc." in name for name in after)
    write_dataset(tmp_path / "pairs", samples)
    assert run().samples == 28
    assert made[5:] == ["shards/000003-000.tar"]
    assert run().samples == 28
    assert len(made) == 6


def test_features_of_shards_that_were_removed_go_after_them(
    tmp_path: Path, run_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `weft remove` writes what is left of a shard anew, under the next number."""
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(14)])
    assert features(tmp_path / "pairs", run_file, tmp_path / "out") == 0
    old = tmp_path / "pairs/shards/000001-000.tar"
    for ending in ("", ".idx"):
        Path(f"{old}{ending}").rename(tmp_path / f"pairs/shards/000001-001.tar{ending}")
    (tmp_path / "pairs/shards/sizes.json").write_text(json.dumps({"000000-000.tar": 7, "000001-001.tar": 7}))
    assert features(tmp_path / "pairs", run_file, tmp_path / "out") == 0
    assert "1 shards are not there any more: their features were removed" in capsys.readouterr().out
    assert [name for name in contents(tmp_path / "out/pairs") if "000001" in name] == [
        "commit/000001-001.json",
        "shards/000001-001.tar",
        "shards/000001-001.tar.idx",
    ]


def test_features_whose_tar_was_deleted_are_written_again(
    tmp_path: Path, run_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(20)])
    assert features(tmp_path / "pairs", run_file, tmp_path / "out") == 0
    known = contents(tmp_path / "out")
    (tmp_path / "out/pairs/shards/000001-000.tar").unlink()
    dataset = DatasetSettings("pairs", str(tmp_path / "pairs"), "pairs", features=str(tmp_path / "out/pairs"))
    with pytest.raises(
        SettingsError, match=r"1 of \d shards have no features in .*000001-000\.tar: the same weft feat"
    ):
        Loader(LoaderConfig(datasets=(dataset,), images=PLAIN), some_tokens())
    assert features(tmp_path / "pairs", run_file, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == known


def test_what_is_there_already_is_left_by_a_second_attempt(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(7)])
    make_features(tmp_path / "pairs", "pairs", tmp_path / "out")
    before = contents(tmp_path / "out")
    files, host = list_shards(str(tmp_path / "pairs")), EncoderHost(VISION, "int8")
    features_module._write(files, "pairs", str(tmp_path / "out"), CONFIG, [host], 1, 0)
    assert contents(tmp_path / "out") == before


def test_other_features_in_the_same_output_are_refused_in_a_line(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(7)])
    make_features(tmp_path / "pairs", "pairs", tmp_path / "out")
    for changes, said in (
        ({"stored_as": "int8"}, 'stored_as is "float16" there and "int8" here'),
        ({"images": msgspec.structs.replace(PLAIN, fit="crop")}, r'images.fit is "pad" there and "crop" here'),
        ({"vision": msgspec.structs.replace(VISION, dim=96)}, "encoder.dim is 48 there and 96 here"),
    ):
        with pytest.raises(FeaturesError, match=said):
            make_features(tmp_path / "pairs", "pairs", tmp_path / "out", **changes)
    (tmp_path / "out/commit/000000-000.json").unlink()
    with pytest.raises(FeaturesError, match="go on with --precision float32"):
        make_features(tmp_path / "pairs", "pairs", tmp_path / "out", precision="bfloat16")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    with pytest.raises(FeaturesError, match="is not empty"):
        make_features(tmp_path / "pairs", "pairs", tmp_path / "full")


@pytest.mark.parametrize(
    ("path", "encoder", "options", "said"),
    [
        ("pairs", "nowhere", [], "no such config file or preset: nowhere"),
        ("pairs", "run.yaml", ["--set", "vision.kind=transformers", "--set", "vision.path=/nowhere"], "no weights at"),
        ("pairs", "run.yaml", ["--set", "vision.kind=timm", "--set", "vision.name=vit"], "names no weights of vit"),
        ("pairs", "run.yaml", ["--set", "images.p_flip=0.5"], "p_flip and images.colour must be 0"),
        ("pairs", "run.yaml", ["--set", "images.size_px=32"], "images.size_px is 32, but the encoder takes 16"),
        ("tars", "run.yaml", [], "of which kind is"),
        ("none", "run.yaml", ["--kind", "pairs"], "no shards in"),
        ("pairs", "empty", [], "no model folder at"),
    ],
)
def test_calls_that_make_no_sense_end_in_a_line(
    path: str, encoder: str, options: list[str], said: str, tmp_path: Path, run_file: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(7)])
    write_dataset(tmp_path / "tars", [pair(n) for n in range(7)])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert features(Path(path), encoder, tmp_path / "out", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("weft: ")
    assert said in error


def test_a_model_folder_is_an_encoder_and_its_size_that_of_the_images(tmp_path: Path) -> None:
    vision = {"model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 16, "patch_size": 8}  # fmt: skip
    made: Any = make_encoder(VisionSettings(kind="transformers", config=vision))
    made.model.save_pretrained(tmp_path / "siglip")
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(7)])
    for options, out in ((["--set", "vision.layer=-2"], "last"), ([], "out")):
        assert features(tmp_path / "pairs", str(tmp_path / "siglip"), tmp_path / out, *options) == 0
    info = json.loads((tmp_path / "last/pairs/features.json").read_text())
    assert (info["size_px"], info["features"], info["width"], info["encoder"]["layer"]) == (16, 4, 16, -2)
    moved = tmp_path / "moved"
    (tmp_path / "siglip").rename(moved)
    assert features(tmp_path / "pairs", str(moved), tmp_path / "out") == 0


def test_shards_of_others_and_samples_that_later_builds_replaced(tmp_path: Path) -> None:
    """Long keys, folders in keys, no index; numbers agree though readers pass over some."""
    keys = ["a/b/" + "k" * 60 + str(n) for n in range(4)] + ["long" * 23 + str(n) for n in range(4)]
    samples = [(key, [(f"{key}.jpg", pair(n)[1][0][1]), (f"{key}.txt", b"a cat")]) for n, key in enumerate(keys)]
    write_foreign_tar(tmp_path / "tars/x.tar", samples)
    (file,) = list_shards(str(tmp_path / "tars"))
    known = [
        frames_of(document.parts[0], random.Random(0), PLAIN)  # type: ignore[arg-type]
        for document in read_documents(str(tmp_path / "tars"), "pairs")
    ]
    make_features(tmp_path / "tars", "pairs", tmp_path / "out")
    encoder = make_encoder(VISION)
    for gone in ((), (2, 5)):
        loader = Loader(
            LoaderConfig(
                datasets=(DatasetSettings("t", "-", "pairs", batch_rows=9, features=str(tmp_path / "out")),),
                order=OrderSettings(lanes=1, shuffle=False, epochs=1),
                packing=PackingSettings(enabled=False),
                images=PLAIN,
                read=ReadSettings(workers=1),
            ),
            some_tokens(),
            files=[[msgspec.structs.replace(file, gone=gone, samples=8 - len(gone))]],
        )
        with loader:
            (step,) = loader
        left = [n for n in range(8) if n not in gone]
        assert step["t"].keys == tuple(keys[n] for n in left)
        pixels = torch.from_numpy(np.concatenate([known[n] for n in left])).permute(0, 3, 1, 2)
        torch.testing.assert_close(step["t"].features().float(), encoder(pixels), atol=2e-3, rtol=0)  # type: ignore[union-attr]


def test_batches_run_across_samples_and_no_frame_is_encoded_twice(tmp_path: Path, monkeypatch: Any) -> None:
    write_dataset(tmp_path / "clips", [clip_sample(n, clip(n + 1)) for n in range(5)])
    sizes, encode = [], EncoderHost.encode
    monkeypatch.setattr(EncoderHost, "encode", lambda host, frames: sizes.append(len(frames)) or encode(host, frames))
    vision = msgspec.structs.replace(VISION, batch_frames=6)
    found = make_features(tmp_path / "clips", "clips", tmp_path / "out", vision=vision)
    assert (found.frames, sizes) == (15, [1, 6, 4, 5])  # the first is a black one


def test_int8_keeps_channels_of_any_size_and_what_cannot_be_stored_stops_the_run() -> None:
    """A channel a thousand times as large as the others, as encoders have, does not cost these their digits."""
    torch.manual_seed(0)
    features_FVI = torch.randn(2, 9, 16)
    features_FVI[..., 3] *= 1000
    features_FVI[1] = 0
    values, scales = stored_of(features_FVI, "int8")
    assert scales is not None
    error = (values.float() * scales[:, None] - features_FVI).abs().amax(dim=(0, 1))
    assert (error <= features_FVI.abs().amax(dim=(0, 1)) / 250).all()
    for wrong in (1e6, float("nan")):
        with pytest.raises(StepError, match="float16 does not hold"):
            stored_of(torch.full((1, 2, 3), wrong), "float16")


@pytest.mark.shares_ray
def test_on_ray_the_encoder_is_held_by_one_process_and_the_bytes_are_those_of_one(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(14)])
    make_features(tmp_path / "pairs", "pairs", tmp_path / "inline")
    output = Store(str(tmp_path / "ray"))
    write_features(str(tmp_path / "pairs"), "pairs", output, CONFIG, EngineSettings(workers=2), Encoders())
    assert contents(tmp_path / "ray") == contents(tmp_path / "inline")


def test_a_kind_that_a_dataset_has_not_is_named(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "made")
    finish(Store(str(made)))
    found = kinds_of(str(made), [])
    assert found == {"interleaved": f"{made}/interleaved", "pairs": f"{made}/pairs"}
    assert list(kinds_of(str(made), ["pairs"])) == ["pairs"]
    with pytest.raises(SettingsError, match="has no clips"):
        kinds_of(str(made), ["clips"])
