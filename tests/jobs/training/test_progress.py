"""What a run says of its progress."""

from jobs.training.progress import summary


def test_names_of_datasets_may_have_slashes() -> None:
    measured = {"web/pages/loss": 0.5, "web/pages/shuffled": 1.0, "pairs/loss": 0.25, "pairs/shuffled": 0.5}
    assert summary(measured) == (
        "web/pages loss 0.500 (1.000 with shuffled pictures); pairs loss 0.250 (0.500 with shuffled pictures)"
    )
