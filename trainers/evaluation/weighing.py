"""How predictions are weighed: as now, or as an earlier version did, to verify what it stored."""

from enum import Enum, auto


class Weighing(Enum):
    """Which version's way."""

    NOW = auto()
    # Temperatures fitted to the labels as they are, and seeds compared in pairs, whatever the options share.
    UNSMOOTHED = auto()
    # Releases up to 0.2: besides, plain percentiles without p-values, and ensembles as their mean is.
    WITHOUT_P_VALUES = auto()
