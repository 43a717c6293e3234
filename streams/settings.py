"""Every setting of eventwire, with its environment variable, default and one sentence."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from EVENTWIRE_* variables; keyword arguments (the command line) win over them."""

    model_config = SettingsConfigDict(env_prefix="EVENTWIRE_", extra="forbid", frozen=True)

    brokers: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, where the protocol has SASL."
    )
    sasl_user: str | None = Field(None, description="SASL user.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    ssl_ca_file: Path | None = Field(None, description="CA certificates (PEM) that the brokers' are checked against.")
    ssl_cert_file: Path | None = Field(None, description="Client certificate (PEM).")
    ssl_key_file: Path | None = Field(None, description="Key of the client certificate (PEM).")
    topic_prefix: str = Field("", description="Put before every topic name.")
    group: str = Field("eventwire", description="Consumer group of the workers.")
    routed_types: list[str] = Field(
        ["capture", "summons", "denial"], description="Event types that also get a topic of their own."
    )
    min_confidence: float = Field(0.5, ge=0, le=1, description="Events below this probability are not published.")
