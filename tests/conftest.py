"""Property tests are told right or wrong, never slow: a busy machine must not fail them."""

from hypothesis import settings

settings.register_profile("weft", deadline=None)
settings.load_profile("weft")
