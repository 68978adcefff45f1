"""What the API answers about a run's attempts, output and files."""

from pydantic import AwareDatetime, Field

from cellgate.contract.api.schemas import Answer


class AttemptAnswer(Answer):
    """One worker's try at a run."""

    attempt: int
    worker: str
    outcome: str | None = Field(description="How it ended; null while it goes on.")
    exit_code: int | None
    checkpoint_step: int | None = Field(description="Optimizer steps in its last checkpoint, if it has saved one.")
    started_at: AwareDatetime
    finished_at: AwareDatetime | None


class LogChunk(Answer):
    """A numbered piece of what a trainer printed."""

    attempt: int
    number: int
    text: str
    at: AwareDatetime


class LogPage(Answer):
    """Output in pieces, oldest first."""

    chunks: list[LogChunk]
    next: str | None = Field(description="For `after`: what follows these pieces; null where there is none yet.")
    ended: bool = Field(description="Whether the run has ended and these are its last pieces.")


class ArtifactAnswer(Answer):
    """A file that a run has left."""

    name: str = Field(description="Its path below the run's folder.")
    size: int = Field(description="In bytes.")
    sha256: str = Field(description="64 hexadecimal digits; its entity tag too.")
    media_type: str
