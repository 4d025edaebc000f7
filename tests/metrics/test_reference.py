"""FID, KID and the Inception Score against torch-fidelity, on the same features."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from gan_models.metrics import fid, inception_score, kid

WITHIN = 1e-3


@pytest.fixture
def features():
    """Two sets of 300 pictures' 48 features, correlated and not negative, as a network's pooled activations are."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(2, 300, 48)) @ rng.normal(size=(48, 48)) / 7
    return np.maximum(mixed + np.array([0.3, 0.45])[:, None, None], 0)


@pytest.mark.parametrize("count", [300, 30])
def test_fid(features, count):
    """With fewer pictures than features too, where the covariances have no inverse."""
    features = features[:, :count]
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in features]
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert expected > 0.1
    assert fid(*features) == pytest.approx(expected, rel=WITHIN)


def test_kid(features):
    options = {"kid_subsets": 1, "kid_subset_size": len(features[0]), "verbose": False}
    found = kid_features_to_metric(*map(torch.from_numpy, features), **options)
    expected = found["kernel_inception_distance_mean"]
    assert abs(expected) > 1e-3
    assert kid(*features) == pytest.approx(expected, rel=WITHIN)


@pytest.mark.parametrize(("count", "splits"), [(300, 10), (257, 10), (40, 1)])
def test_inception_score(count, splits):
    logits = torch.from_numpy(2 * np.random.default_rng(1).normal(size=(count, 20)))
    expected = isc_features_to_metric(logits, splits=splits, shuffle=False)
    mean, deviation = inception_score(logits.softmax(1).numpy(), splits)
    assert mean == pytest.approx(expected["inception_score_mean"], rel=WITHIN)
    assert deviation == pytest.approx(expected["inception_score_std"], rel=WITHIN)
    assert mean > 1.5
