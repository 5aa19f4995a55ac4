import numpy as np
import pytest

from pipeline.video.probe import index_video
from pipeline.video.scene_cuts import find_cuts, scan_frames
from pipeline.video.settings import SceneSettings
from tests.pipeline.videos import cuts_of, make_video


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
@pytest.mark.parametrize("scenes", [(40, 30, 50, 25), (20, 20, 60), (90,)])
def test_cuts_are_found_to_the_frame(codec: str, scenes: tuple[int, ...]) -> None:
    data = make_video(codec, "matroska", scenes, (320, 180))
    scan = scan_frames(data, index_video(data))
    assert scan.starts_S.tolist() == [0, *cuts_of(scenes)]


def cuts(differences: list[float], returns: list[float] | None = None, **settings: float) -> list[int]:
    times = np.arange(len(differences)) / 25
    back = np.array(returns if returns is not None else [255.0] * len(differences))
    return find_cuts(times, np.array(differences), back, SceneSettings(**settings)).tolist()


def test_fast_camera_work_is_no_cut() -> None:
    assert cuts([0.0, *[14.0] * 60]) == [0]
    assert cuts([0.0, *[14.0] * 30, 60.0, *[14.0] * 30]) == [0, 31]


def test_a_flash_is_no_cut() -> None:
    differences = [1.0] * 60
    differences[30] = differences[31] = 80.0
    returns = [1.5] * 60
    returns[30] = 80.0
    assert cuts(differences, returns) == [0]


def test_scenes_have_a_least_length() -> None:
    differences = [1.0] * 100
    differences[40] = differences[48] = differences[80] = 50.0
    assert cuts(differences) == [0, 40, 80]
    assert cuts(differences, min_scene_s=0.1) == [0, 40, 48, 80]


def test_thumbs_of_a_stretch() -> None:
    data = make_video(scenes=(50,))
    scan = scan_frames(data, index_video(data))
    assert scan.thumb_times_T.tolist() == pytest.approx([0, 0.52, 1.04, 1.56], abs=0.01)
    assert len(scan.thumbs(0.5, 1.5)) == 2
