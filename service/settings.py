"""Every setting, from the environment (`CELLGATE_…`); the only reader of the environment, once per process."""

import ipaddress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cellgate.contract.exit_codes import UsageError
from service.domain.broker_url import parse_broker_url

# Failed attempts are not rate-limited: the token must be too long to guess.
TOKEN_CHARACTERS = 32


class Settings(BaseSettings):
    """Settings of the API, the workers and the reconciler.

    Raises:
        pydantic.ValidationError: A value is wrong.
    """

    # An error would show what it refuses, a token that is too short included.
    model_config = SettingsConfigDict(env_prefix="CELLGATE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(Path("var"), description="Folder of everything that is kept: database, artifacts.")
    # Both URLs may hold a password: they are left out where settings are shown or written.
    database_url: str | None = Field(
        None, repr=False, exclude=True, description="SQLAlchemy URL; default: SQLite in data_dir."
    )
    database_silence_s: float = Field(
        60.0, gt=0, description="A PostgreSQL server that says nothing for so long is given up; the caller tries again."
    )
    redis_url: str | None = Field(
        None, repr=False, exclude=True, description="Broker; `cellgate up` starts its own without it."
    )
    data_roots: list[Path] = Field(
        default_factory=list, description="Folders that data sets may be read from, besides data_dir/data (JSON list)."
    )
    model_roots: list[Path] = Field(
        default_factory=list,
        description="Folders that checkpoints may be loaded from, besides data_dir/models (JSON list); of API and "
        "workers.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback a token is needed.")
    port: int = Field(8451, ge=0, le=65535)
    token: SecretStr | None = Field(
        None,
        description="Bearer token with the scope admin, at least 32 characters; `openssl rand -hex 24` makes one.",
    )
    session_days: float = Field(
        7.0, gt=0, le=400, description="How long a browser stays signed in; never longer than its token is valid."
    )
    log_format: Literal["pretty", "json"] = "pretty"
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Base URL of an OpenTelemetry collector, over HTTP; traces need `pip install 'cellgate[otel]'`.",
    )
    max_queued_runs: int | None = Field(None, ge=1, description="Runs that one caller may have waiting; more are 429.")
    max_running_runs: int | None = Field(
        None, ge=1, description="Runs that one caller may have at work on all workers together; more wait."
    )
    price_per_device_hour: float | None = Field(
        None, gt=0, description="Price of an hour of one run at work, for estimates and budgets; in any currency."
    )
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest request body that is read.")
    webhook_allow_private: bool = Field(
        False, description="Let webhooks go to loopback and private addresses: for receivers in one's own network."
    )
    storage_reserve_bytes: int = Field(
        1 << 30, ge=0, description="Kept free in the data folder: below it no run is started and no upload is taken."
    )
    max_upload_bytes: int = Field(2 << 30, ge=1024, description="Largest file that PUT /v1/uploads takes.")
    max_buffered_bytes: int = Field(64 << 20, ge=1024, description="Bytes of all bodies that are read at once.")
    max_json_depth: int = Field(64, ge=8, le=200, description="Containers inside each other in a body.")
    max_json_values: int = Field(20_000, ge=100, description="Values in a body.")
    max_json_members: int = Field(2_000, ge=100, description="Members of all objects in a body.")
    max_mistakes: int = Field(50, ge=1, le=1000, description="Mistakes that a problem lists; others are counted.")
    max_header_bytes: int = Field(1 << 15, ge=1024, description="Request line and headers together; more are 431.")
    header_timeout_s: float = Field(10.0, gt=0, le=600, description="From a request's first byte to its headers' end.")
    body_timeout_s: float = Field(20.0, gt=0, le=600, description="Period over which a body's rate is taken.")
    min_body_bytes_per_s: int = Field(256, ge=0, description="Least rate of a body over each body_timeout_s.")
    write_timeout_s: float = Field(60.0, gt=0, description="A caller who takes nothing for so long is cut.")
    keep_alive_s: float = Field(15.0, gt=0, description="How long a connection may wait for its next request.")
    max_connections: int = Field(2048, ge=16, description="Open connections of one API process.")
    max_connections_per_address: int = Field(1536, ge=1, description="Those of one address.")
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default_factory=list, description="Proxies whose X-Forwarded-For counts: addresses or networks (JSON list)."
    )
    max_heavy_reads: int = Field(8, ge=1, description="Expensive reads at the same time; others wait for their turn.")
    query_timeout_s: float = Field(30.0, gt=0, description="Longest time of one statement of the API.")

    keep_checkpoints_days: float | None = Field(
        None, ge=0, description="Remove checkpoints of seeds that have succeeded after so long; 0: at once."
    )
    keep_metrics_days: float | None = Field(
        None, ge=0, description="Thin the curves of runs that ended before so many days; extremes are kept."
    )
    keep_lr_cache_days: float = Field(
        90.0, ge=0, description="How long a cached learning rate or encoding stays after its last use."
    )
    keep_idempotency_days: float = Field(1.0, ge=0.01, description="How long answers to Idempotency-Keys are kept.")
    keep_audit_days: float = Field(400.0, ge=0.01, description="How long entries of the audit log are kept.")
    keep_deliveries_days: float = Field(7.0, ge=0.01, description="How long ended deliveries of webhooks are kept.")
    measure_every_s: float = Field(3600.0, ge=1, description="How often the reconciler measures what is stored.")

    queues: list[str] = Field(default_factory=lambda: ["cpu"], min_length=1, description="Queues a worker serves.")
    slots: int = Field(2, ge=1, le=256, description="Runs that a worker trains at the same time.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus: list[str] | None = Field(
        None,
        description="GPUs to lend, one run each, as CUDA_VISIBLE_DEVICES names them (JSON list; name one twice to let "
        "two runs share it); default: all there are. With GPUs, a worker has no more slots than they allow.",
    )
    threads: int | None = Field(None, ge=1, description="CPU threads per run; default: cores divided by slots.")
    warm_start: bool = Field(True, description="Start trainers from a process that has imported their libraries.")
    lease_s: float = Field(15.0, gt=0.2, le=3600, description="A worker not heard of for so long has lost its runs.")
    heartbeat_s: float = Field(
        5.0, gt=0, le=10, description="How often a worker tells that it lives, and looks for runs by itself."
    )
    grace_s: float = Field(30.0, gt=0, description="From SIGTERM, which saves a checkpoint, to SIGKILL.")
    run_timeout_s: float | None = Field(None, gt=0, description="Longest time one attempt may take.")
    stall_timeout_s: float = Field(900.0, gt=0, description="A trainer without an event for so long has failed.")
    redispatch_after_s: float = Field(10.0, gt=0, description="Notify again for runs still queued after this.")
    reconcile_every_s: float = Field(1.0, gt=0)

    @field_validator("redis_url")
    @classmethod
    def _broker_can_be_named(cls, redis_url: str | None) -> str | None:
        if redis_url is not None:
            parse_broker_url(redis_url)
        return redis_url

    @field_validator("token")
    @classmethod
    def _token_cannot_be_guessed(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < TOKEN_CHARACTERS:
            found = len(token.get_secret_value())
            raise ValueError(
                f"found {found} characters, expected at least {TOKEN_CHARACTERS}: `openssl rand -hex 24` makes a token"
            )
        return token

    @property
    def requires_token(self) -> bool:
        """Whether every request must carry a token: unless only this machine is served, and none was set."""
        return self.token is not None or not is_loopback(self.host)

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'cellgate.db'}"

    @property
    def artifacts(self) -> Path:
        """Root of everything that runs write."""
        return self.data_dir.resolve() / "artifacts"

    @property
    def roots(self) -> list[Path]:
        """Folders that data sets may be read from."""
        return [root.absolute() for root in (self.data_dir / "data", *self.data_roots)]

    @property
    def models(self) -> list[Path]:
        """Folders that checkpoints may be loaded from."""
        return [root.absolute() for root in (self.data_dir / "models", *self.model_roots)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """Return the settings; an override that is None leaves the environment's value or the default.

    Raises:
        UsageError: Some are wrong; every mistake is listed.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise UsageError("\n".join(mistakes_in(error))) from error


def mistakes_in(error: ValidationError) -> list[str]:
    """Return one line for each setting that is wrong."""
    return [
        f"{'.'.join(str(part) for part in mistake['loc']) or 'settings'}: {mistake['msg']}"
        for mistake in error.errors()
    ]
