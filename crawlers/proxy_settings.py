"""Which hosts are asked by way of which proxy."""

import base64
import os
from collections.abc import Mapping

from yarl import URL

from schemas.settings import Settings, SettingsError


class ProxySettings(Settings, frozen=True):
    """A proxy for some hosts."""

    url: str = ""
    """`http://host:port`; "": no proxy, where a pattern for more hosts names one."""
    credentials: str = ""
    """The environment variable of the workers that holds `user:password`."""

    def __post_init__(self) -> None:
        if not self.url:
            return
        try:
            url = URL(self.url)
            is_good = url.scheme == "http" and url.host and url.explicit_port and url.path in ("", "/")
        except ValueError:
            is_good = False
        if "@" in self.url:
            raise ValueError("a proxy's url holds no credentials: name the environment variable that does")
        if not is_good or URL(self.url).query_string:
            raise ValueError(f"`{self.url}` is no proxy: it is named http://host:port")

    def authorization(self) -> str:
        """The header's value, "" without credentials. Raises `SettingsError`."""
        if not self.credentials:
            return ""
        words = os.environ.get(self.credentials, "")
        if ":" not in words:
            raise SettingsError(f"the proxy {self.url}: the environment has no user:password as {self.credentials}")
        return f"Basic {base64.b64encode(words.encode()).decode()}"


def check_proxies(proxies: Mapping[str, ProxySettings]) -> None:
    """Raises `SettingsError` where credentials are missing."""
    for proxy in proxies.values():
        proxy.authorization()
