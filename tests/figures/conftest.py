"""A fixture for all tests of figures."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def no_figure_open():
    """Close all figures before a test, so that it finds only figures that it left open itself."""
    plt.close("all")
