"""Features in place of pixels: whether they are of the run's encoder, and whether that is needed at all."""

from collections.abc import Sequence

from model.data.config import DatasetSettings
from model.data.features import check_images, read_info
from model.network.config import VisionSettings
from model.network.vision.absent import AbsentEncoder
from model.network.vision.encoder import Encoder
from model.network.vision.identity import check_identity, identity_of
from model.training.config import TrainConfig, held_out_loader
from schemas.settings import SettingsError


def check_features(config: TrainConfig) -> None:
    """Raises `SettingsError`, in one line, where a dataset's features are of another encoder or of other images."""
    datasets = [dataset for dataset in _datasets(config) if dataset.features]
    if not datasets:
        return
    if config.model.train_vision:
        raise SettingsError(
            f"dataset {datasets[0].name}: its features are of the encoder as it is, and model.train_vision changes it: "
            "leave out features, to read pixels"
        )
    ours = identity_of(config.model.vision)
    for dataset in datasets:
        try:
            info = read_info(dataset.features, config.data.read.tries)
            check_identity(info, dataset.features, ours)
            held_out = dataset in config.held_out.datasets
            check_images(info, dataset.features, (held_out_loader(config) if held_out else config.data).images)
        except SettingsError as error:
            raise SettingsError(f"dataset {dataset.name}: {error}") from None


def encoder_of(config: TrainConfig) -> Encoder | None:
    """What stands for the encoder where every dataset of the run has features; None where pixels are read too."""
    datasets = _datasets(config)
    if not all(dataset.features for dataset in datasets):
        return None
    return AbsentEncoder.of(read_info(datasets[0].features, config.data.read.tries))


def stand_in(vision: VisionSettings, folders: Sequence[str]) -> Encoder:
    """For an encoder whose features lie in these folders. Raises `SettingsError` where they are of another."""
    ours = identity_of(vision)
    infos = {folder: read_info(folder) for folder in folders}
    for folder, info in infos.items():
        check_identity(info, folder, ours)
    return AbsentEncoder.of(infos[folders[0]])


def _datasets(config: TrainConfig) -> list[DatasetSettings]:
    return [*config.data.datasets, *config.held_out.datasets]
