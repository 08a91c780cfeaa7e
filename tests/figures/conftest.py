"""What the tests of figures share."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def no_figure_open():
    """So that a test sees what it leaves open itself, not what other tests of its process left."""
    plt.close("all")
