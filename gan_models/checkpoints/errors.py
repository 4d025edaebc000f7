"""What goes wrong with weights."""


class WeightsError(ValueError):
    """Weights can't be had or can't be used; the message is one sentence for the visitor."""
