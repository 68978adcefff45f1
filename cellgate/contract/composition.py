"""What a split shares with train, and how it differs from it."""

from pydantic import Field

from cellgate.contract.documents import Document, NonNegative, Probability


class SharedWithTrain(Document):
    """How much of a split has a property that occurs in train too."""

    known: int = Field(ge=0, description="Functions of the split of which it is known.")
    in_train: int = Field(ge=0, description="Of these, functions whose value occurs in train.")


class DateRange(Document):
    """When a split's functions are from, YYYY-MM-DD."""

    known: int = Field(ge=1, description="Functions with a date.")
    earliest: str
    latest: str
    before_train_ends: int | None = Field(
        None, ge=0, description="Functions from before the newest of train; null for train itself."
    )


class LengthShift(Document):
    """How long the functions are, beside those of train."""

    median_chars: int = Field(ge=0)
    distance: Probability = Field(
        description="Largest difference between the shares of functions up to a length (Kolmogorov-Smirnov); 0: equal."
    )


class SplitComposition(Document):
    """One split beside train."""

    rows: int = Field(ge=1)
    prevalence: Probability = Field(description="Share of vulnerable functions.")
    prevalence_shift_errors: NonNegative = Field(
        description="Difference from train's prevalence, in standard errors of that difference."
    )
    commits: SharedWithTrain
    projects: SharedWithTrain
    weaknesses: SharedWithTrain = Field(description="CWE of vulnerable functions; one of several in train is enough.")
    dates: DateRange | None = Field(None, description="Null where no function has a date.")
    lengths: LengthShift
