"""What is known of a bundle that was packed: its kind and size, and what was measured of its lines and verdicts."""

from typing import Literal

from pydantic import Field

from cellgate.contract.documents import Document, NonNegative, Probability, Sha256
from cellgate.contract.evidence import Abstention, DeploymentScores

EDIT_TITLES = {
    "comments": "taking comments out, or one in",
    "layout": "other indentation and spacing",
    "names": "renaming variables",
    "dead_code": "adding dead code",
    "declarations": "reordering declarations",
}


class LineMeasures(Document):
    """How soon a ranking of lines leads to the vulnerable ones (LineVul, Fu and Tantithamthavorn 2022, section 4)."""

    top_10: Probability = Field(description="Share of functions with a vulnerable line among the first ten.")
    false_alarms: NonNegative = Field(description="Lines before the first vulnerable one, the median over functions.")
    effort: Probability = Field(
        description="Share of all lines that is read until a fifth of the vulnerable ones is found."
    )


class LineRanking(Document):
    """How soon the lines that a bundle names lead to those that patches change, beside rankings that know nothing."""

    split: str
    functions: int = Field(ge=1, description="Vulnerable functions whose patched version is known.")
    flaws: int = Field(ge=1, description="Lines of them that the patches remove or change.")
    bundle: LineMeasures
    random: LineMeasures = Field(description="Of a random order, averaged.")
    longest: LineMeasures = Field(description="Of the longest lines first.")
    not_beaten: list[str] = Field(description="Where the bundle is not better, e.g. `top_10 of random`.")


class EditEffect(Document):
    """What one edit that keeps the meaning does to a bundle's verdicts, on the functions that it can be made in."""

    functions: int = Field(ge=1)
    flips: int = Field(ge=0, description="Functions that are called otherwise after it.")
    f1_before: Probability
    f1_after: Probability
    pairs: int = Field(ge=0, description="Pairs of which both members can be edited.")
    pairs_correct_before: int = Field(ge=0, description="Of these, pairs with both members right.")
    pairs_correct_after: int = Field(ge=0)

    def as_text(self) -> str:
        """Return the effect for a person."""
        called = f"{self.flips} of {self.functions} functions are called otherwise"
        pairs = f", right pairs {self.pairs_correct_before} to {self.pairs_correct_after} of {self.pairs}"
        return f"{called}: F1 {self.f1_before:.3f} to {self.f1_after:.3f}{pairs if self.pairs else ''}"


class Invariance(Document):
    """How far verdicts rest on how code looks: each edit by itself, on the same functions of one split."""

    split: str
    functions: int = Field(ge=1, description="Functions that were tried.")
    edits: dict[str, EditEffect] = Field(
        description="By edit: comments, layout, names, dead_code, declarations; without those that nothing allows."
    )

    def as_lines(self) -> list[str]:
        """Return one line for each edit, for a person; a stored document has them in the order of their names."""
        found = [(title, self.edits.get(name)) for name, title in EDIT_TITLES.items()]
        return [f"After {title}, {effect.as_text()}" for title, effect in found if effect is not None]


class BundleSummary(Document):
    """A bundle that was packed; its folder is `bundle` beside the result."""

    id: Sha256
    kind: Literal["single", "ensemble", "fusion"]
    parts: list[str] = Field(description="Cells whose models are in it, e.g. transformer, gnn.")
    seeds: list[int]
    text_weight: Probability | None = Field(description="Of the text model in an ensemble.")
    threshold: Probability
    largest_difference: NonNegative = Field(description="From the probabilities that the runs stored.")
    compared: int = Field(ge=1, description="Functions of the gate split whose probabilities were compared.")
    size_bytes: int = Field(ge=1)
    functions_per_s: float | None = Field(
        None, gt=0, description="From source text to verdict, without lines, on the CPU that packed it."
    )
    deployment: DeploymentScores | None = Field(
        None, description="Measured on gate, at the prevalence that the policy states; null where it states none."
    )
    abstention: Abstention | None = Field(
        None, description="Measured on gate, with the margin in which it gives no verdict; null: on every function."
    )
    lines: LineRanking | None = Field(
        None, description="Measured on gate; null where no pair of it tells which lines changed, or that takes minutes."
    )
    invariance: Invariance | None = Field(
        None, description="Measured on gate; null where that takes minutes, or no function can be edited."
    )
