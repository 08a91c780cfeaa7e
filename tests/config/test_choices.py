"""What a configuration may name exists."""

from distillery.config.models.sources import SOURCES


def test_a_search_is_in_every_list_of_searches():
    from distillery.config.choices import WEB_SEARCHES
    from distillery.display_names import OTHER_KINDS
    from distillery.display_names import SEARCHES as TITLES
    from distillery.sources.engines import ENGINES
    from distillery_demo.web_pages import SEARCHES

    lists = {
        "WebSearch in distillery/config/choices.py": WEB_SEARCHES,
        "AnySearch in distillery/config/models/search_sources.py": set(SOURCES) - set(OTHER_KINDS),
        "ENGINES in distillery/sources/engines/__init__.py": ENGINES,
        "SEARCHES in distillery/display_names.py": TITLES,
        "SEARCHES in distillery_demo/web_pages.py": SEARCHES,
    }
    every = set().union(*lists.values())
    assert {name: sorted(every - set(found)) for name, found in lists.items() if set(found) != every} == {}


def test_every_network_can_be_chosen_and_built():
    from distillery.config.choices import NETWORKS
    from distillery.models.architectures import CONVNETS, RESNETS

    assert (*RESNETS, *CONVNETS) == NETWORKS
