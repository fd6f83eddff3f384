"""Every setting, read once from the environment into one frozen object.

The table in the README is tested against `describe()`. Nothing else in the program reads the environment.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from collector.errors import SettingsError

_PREFIX = "JALKI_"
_MAY_BE_ZERO = {"fast_lane", "linger_ms", "port", "spool_max_bytes"}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; each field's environment variable is `JALKI_` and its name in capitals."""

    database_url: str = field(default="", metadata={"doc": "Postgres to use; empty: the embedded one"})
    data_dir: str = field(
        default="", metadata={"doc": "where the embedded Postgres keeps its data; empty: a folder of the user"}
    )
    host: str = field(default="127.0.0.1", metadata={"doc": "address to listen on"})
    port: int = field(default=8100, metadata={"doc": "port to listen on"})
    workers: int = field(
        default=1, metadata={"doc": "processes of `jalki collector` and `jalki up` that share the port"}
    )
    public_url: str = field(
        default="", metadata={"doc": "address under which browsers reach this service; empty: as asked"}
    )
    trusted_proxies: str = field(
        default="",
        metadata={"doc": "addresses or networks, comma-separated, whose X-Forwarded-For or Forwarded is believed"},
    )
    fast_lane: int = field(
        default=1, metadata={"doc": "1: batches are answered inside the HTTP protocol; 0: all by the application"}
    )
    max_connections: int = field(default=20_000, metadata={"doc": "most open HTTP connections of a process"})
    max_connections_per_address: int = field(
        default=512, metadata={"doc": "most open HTTP connections of one address, trusted proxies excepted"}
    )
    linger_ms: int = field(default=5, metadata={"doc": "longest wait of an accepted batch for company, in ms"})
    flush_max_rows: int = field(default=20_000, metadata={"doc": "most fact rows in one transaction"})
    queue_max_batches: int = field(default=50_000, metadata={"doc": "most batches waiting; more are answered 503"})
    body_max_bytes: int = field(default=65_536, metadata={"doc": "largest body of a batch, in bytes"})
    site_rate: int = field(default=2_000, metadata={"doc": "batches a second a site may send in the long run"})
    address_rate: int = field(default=50, metadata={"doc": "batches a second one address may send in the long run"})
    visitor_rate: int = field(default=20, metadata={"doc": "batches a second one visitor may send in the long run"})
    late_hours: int = field(default=24, metadata={"doc": "oldest view whose batches are still accepted, in hours"})
    commit_timeout_s: int = field(
        default=10, metadata={"doc": "longest wait for a commit before a batch is answered 503, in s"}
    )
    spool_dir: str = field(
        default="", metadata={"doc": "where batches wait while Postgres is away; empty: `spool` in the data folder"}
    )
    spool_max_bytes: int = field(
        default=1 << 30, metadata={"doc": "largest size of the spool of one process, in bytes; 0: no spool"}
    )
    spool_after_ms: int = field(
        default=2_000, metadata={"doc": "longest time Postgres may take for a flush before the spool gets it, in ms"}
    )
    rollup_interval_ms: int = field(
        default=500, metadata={"doc": "pause of the worker between two looks for new facts, in ms"}
    )
    layout_hours: int = field(
        default=24, metadata={"doc": "age at which a page's reference layout is asked for anew, in hours"}
    )
    bot_score: int = field(
        default=50, metadata={"doc": "score from which a view counts as a bot's, 1 to 100; 101: none does"}
    )
    datacentre_ranges: str = field(
        default="", metadata={"doc": "files of data centres' address ranges, comma-separated; a sign of a bot"}
    )
    log_format: str = field(default="text", metadata={"doc": "how a service logs to stderr: `text` or `json`"})
    metrics_token: str = field(
        default="",
        metadata={"doc": "bearer token that /metrics asks for; empty: only programs on this machine may ask"},
    )

    def __post_init__(self) -> None:
        """Refuse values without a meaning.

        Raises:
            SettingsError: names the variable and what it may be.
        """
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and value < (0 if item.name in _MAY_BE_ZERO else 1):
                raise SettingsError(f"{_PREFIX}{item.name.upper()} is {value}; it must be at least 1")
        if self.port > 65_535:
            raise SettingsError(f"{_PREFIX}PORT is {self.port}; the highest port is 65535")
        if self.log_format not in {"text", "json"}:
            raise SettingsError(f"{_PREFIX}LOG_FORMAT is {self.log_format!r}; it must be text or json")
        if self.bot_score > 101:
            raise SettingsError(f"{_PREFIX}BOT_SCORE is {self.bot_score}; the highest score is 100, and 101 no view's")
        self.proxy_networks()

    def proxy_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Return the trusted proxies as networks."""
        try:
            return tuple(
                ipaddress.ip_network(part.strip(), strict=False)
                for part in self.trusted_proxies.split(",")
                if part.strip()
            )
        except ValueError as error:
            raise SettingsError(
                f"{_PREFIX}TRUSTED_PROXIES: {error}; write addresses or networks, comma-separated"
            ) from error

    def data_path(self) -> Path:
        """Return the data folder: as set, else `~/.local/share/jalki`.

        For root it is `/var/lib/jalki`, because Postgres runs as another user there.
        """
        return Path(self.data_dir).expanduser().absolute() if self.data_dir else _default_data_path()

    def spool_path(self) -> Path:
        """Return the folder of the spools: as set, else in the data folder."""
        return Path(self.spool_dir).expanduser().absolute() if self.spool_dir else self.data_path() / "spool"


def _default_data_path() -> Path:
    home = Path.home()
    return Path("/var/lib/jalki") if home == Path("/root") else home / ".local" / "share" / "jalki"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that `environ` asks for.

    Raises:
        SettingsError: a value cannot be used, or a variable that begins with JALKI_ is not a setting.
    """
    known = {f"{_PREFIX}{item.name.upper()}": item for item in fields(Settings)}
    values: dict[str, str | int] = {}
    for name, text in environ.items():
        if not name.startswith(_PREFIX) or name.startswith(f"{_PREFIX}TEST_"):
            continue
        item = known.get(name)
        if item is None:
            raise SettingsError(f"{name} is not a setting; the README lists them all")
        values[item.name] = _parse(name, text) if item.type in {int, "int"} else text
    return Settings(**values)  # type: ignore[arg-type]  # each value was parsed for its field above


def dump_settings(settings: Settings) -> dict[str, str]:
    """Return the environment from which `load_settings` makes the same settings again."""
    return {f"{_PREFIX}{item.name.upper()}": str(getattr(settings, item.name)) for item in fields(Settings)}


def describe() -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of every setting, in the order of the README's table."""
    return [
        (f"{_PREFIX}{item.name.upper()}", str(item.default), str(item.metadata["doc"])) for item in fields(Settings)
    ]


def _parse(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}; it must be a whole number") from error
