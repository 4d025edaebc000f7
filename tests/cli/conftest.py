import pytest

from gan_models.device import models


@pytest.fixture(autouse=True)
def loaded_anew():
    """Forget loaded models, which tests register under names of real ones."""
    models.clear()
    yield
    models.clear()
