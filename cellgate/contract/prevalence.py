"""What calls are worth where vulnerable functions are rarer than in the split that they were measured on."""


def alerts_share(recall: float, false_alarms: float, prevalence: float) -> float:
    """Return the share of all functions that is called vulnerable.

    Args:
        recall: Share of vulnerable functions that are called so.
        false_alarms: Share of safe functions that are called vulnerable.
        prevalence: Share of vulnerable functions.
    """
    return prevalence * recall + (1 - prevalence) * false_alarms


def precision_at(recall: float, false_alarms: float, prevalence: float) -> float:
    """Return the share of the alerts that is right, 0 without an alert.

    Args:
        recall: Share of vulnerable functions that are called so.
        false_alarms: Share of safe functions that are called vulnerable.
        prevalence: Share of vulnerable functions.

    Source:
        Bayes' rule; Axelsson 2000, doi 10.1145/357830.357849, section 4 (base-rate fallacy).
    """
    alerts = alerts_share(recall, false_alarms, prevalence)
    return prevalence * recall / alerts if alerts else 0.0


def f1_at(recall: float, false_alarms: float, prevalence: float) -> float:
    """Return twice the true alerts over alerts and vulnerable functions.

    Args:
        recall: Share of vulnerable functions that are called so.
        false_alarms: Share of safe functions that are called vulnerable.
        prevalence: Share of vulnerable functions, above 0.
    """
    return 2 * prevalence * recall / (alerts_share(recall, false_alarms, prevalence) + prevalence)
