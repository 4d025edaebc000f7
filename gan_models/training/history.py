"""A history of generated pictures, which keeps discriminators from chasing the generator's latest tricks."""

import torch


class History:
    """The last pictures that a generator made (Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4).

    Args:
        size: How many are kept; the papers keep 50.
    """

    def __init__(self, size: int = 50):
        self.size = size
        self.kept: list[torch.Tensor] = []

    def exchange(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return N×C×H×W: half of `pictures` as they are, for the other half older ones, whose places they take.

        Until the history is full, `pictures` come back as they are. Choices are drawn from torch's own generator.
        """
        chosen = []
        for picture in pictures.detach():
            if len(self.kept) < self.size:
                self.kept.append(picture.clone())
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(self.size, ()))
                picture, self.kept[place] = self.kept[place].to(picture.device), picture.clone()
            chosen.append(picture)
        return torch.stack(chosen)

    def state_dict(self) -> dict:
        """Return what `load_state_dict` restores."""
        return {"kept": self.kept}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state that `state_dict` gave."""
        self.kept = list(state["kept"])
