"""What a bundle says of one function."""

from dataclasses import dataclass

from trainers.bundle.attribution import Weight


@dataclass(frozen=True, kw_only=True)
class FunctionVerdict:
    """A bundle's score of one function.

    Args:
        probability: That it is vulnerable, calibrated, averaged over seeds.
        threshold: At or above it the function is called vulnerable.
        abstains: Whether the probability is too near the threshold to count as a verdict at the risk that the bundle
            was made for.
        graph_quality: How much of it the parser understood: parsed, partial or token_chain.
        text_truncated: Whether the text model read its head and tail alone; false where there is none.
        graph_truncated: Whether it has more graph nodes than are kept.
        weights: Lines that added to the verdict, the most first; null where it was not explained.
    """

    probability: float
    threshold: float
    abstains: bool
    graph_quality: str
    text_truncated: bool
    graph_truncated: bool
    weights: tuple[Weight, ...] | None

    @property
    def is_vulnerable(self) -> bool:
        """The verdict."""
        return self.probability >= self.threshold
