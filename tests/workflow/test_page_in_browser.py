"""The page in a real browser: no errors or requests, numbers of tables, filters, keyboard, accessibility, dark mode."""

import csv
import json

import pytest
from page_statements import Statements, mismatches

from distillery.display_names import display_name
from distillery.page.render import ARM_COLUMNS, read_tables

from .browser import open_browser

pytestmark = pytest.mark.slow


def opened(page, **window):
    from selenium.webdriver.support.ui import WebDriverWait

    browser = open_browser(**window)
    browser.get(page.as_uri())
    ready = "return document.documentElement.dataset.ready === 'true'"
    WebDriverWait(browser, 60).until(lambda one: one.execute_script(ready))
    return browser


@pytest.fixture(scope="module")
def page(finished):
    return finished.folder / "results" / "report.html"


@pytest.fixture(scope="module")
def browser(page):
    browser = opened(page)
    yield browser
    browser.quit()


def cells(browser, selector):
    """The visible rows of the tables below a selector, as {column: text}."""
    script = """
      return [...document.querySelectorAll(arguments[0] + " tbody tr")].filter((row) => !row.hidden).map((row) =>
        Object.fromEntries([...row.cells].map((cell) => [cell.dataset.column, cell.textContent])));
    """
    return browser.execute_script(script, selector)


def rows(page, name):
    with open(page.parent / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_it_loads_without_an_error_and_without_a_request(browser, page):
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert [url for url in asked if not url.startswith(("data:", "blob:")) and url != page.as_uri()] == []


def test_every_number_is_the_table_s(browser, page):
    for name in ("summary", "comparisons"):
        section = {"summary": "#numbers", "comparisons": "#evidence [data-table=comparisons]"}[name]
        shown, written = cells(browser, section), rows(page, name)
        assert len(shown) == len(written)
        for line, row in zip(shown, written, strict=True):
            for column, cell in line.items():
                assert cell == (display_name(row[column]) if column in ARM_COLUMNS else row[column])
    whole = cells(browser, "#table-test_sources")
    assert whole == rows(page, "test_sources")


def check_statements(page, statements):
    """Assert that each statement (text, addresses of links) names the tables of its numbers and no others."""
    tables = read_tables(sorted(map(str, (page.parent / "tables").glob("*.csv"))))
    assert len(statements) >= 6
    for text, links in statements:
        names = [link.removeprefix("#table-") for link in links]
        assert names and mismatches(text, {name: tables[name] for name in names}) == [], (text, names)


def test_every_number_of_a_statement_is_in_a_table_that_it_names(browser, page):
    script = """
      return [...document.querySelectorAll(".answer, .statements li")].map((item) => [item.firstChild.textContent,
        [...item.querySelectorAll("a.from")].filter((link) => document.querySelector(link.hash) &&
          link.checkVisibility() && link.textContent === link.hash.slice("#table-".length) + ".csv")
          .map((link) => link.hash)]);
    """
    shown = browser.execute_script(script)
    check_statements(page, shown)
    assert [[text.strip(), links] for text, links in shown] == statements_of(page)


def statements_of(page):
    return [[text.strip(" ,\n"), links] for text, links in Statements(page.read_text()).found]


def test_the_statements_of_the_file_name_their_tables(page):
    """As the test before, without a browser."""
    check_statements(page, statements_of(page))


def test_the_chart_has_every_number_of_the_summary_at_its_mark(browser, page):
    script = """
      return [...document.querySelectorAll("#chart li")].map((row) =>
        [row.dataset.scenario, [...row.querySelectorAll(".mark text")].map((text) => text.textContent).sort()]);
    """
    expected = {}
    for row in rows(page, "summary"):
        expected.setdefault(row["scenario"], []).append(row["mean_percent"])
    assert dict(browser.execute_script(script)) == {name: sorted(means) for name, means in expected.items()}


def test_the_first_screen_shows_the_answer_and_the_whole_chart(page):
    browser = opened(page, width=1280, height=800)
    try:
        script = """
          return ["h1", ".answer", ".compared", ".keys", "#chart"].map((selector) =>
            document.querySelector(selector).getBoundingClientRect().bottom);
        """
        assert max(browser.execute_script(script)) <= 800
    finally:
        browser.quit()


def test_filters_hide_the_scenarios_of_other_sources(browser):
    from selenium.webdriver.common.by import By

    def shown():
        script = "return [...document.querySelectorAll('#chart li')].filter((row) => row.checkVisibility()).length"
        return browser.execute_script(script)

    total, scenarios = len(cells(browser, "#numbers")), shown()
    source = browser.find_element(By.CSS_SELECTOR, "[name=source][value=google]")
    source.click()
    kept = {row["scenario"] for row in cells(browser, "#numbers")}
    assert kept == {"rotation", "sd2"} and shown() == 2
    assert browser.find_element(By.ID, "shown").text == f"2 of {scenarios} scenarios shown."
    source.click()
    assert len(cells(browser, "#numbers")) == total and shown() == scenarios


def test_a_column_sorts_its_table(browser):
    script = """
      const table = document.querySelector("#table-runs table");
      document.querySelector("#table-runs").open = true;
      const heading = [...table.querySelectorAll("th")].find((one) => one.textContent === "accuracy_percent");
      heading.querySelector("button").click();
      const column = () => [...table.querySelectorAll("[data-column=accuracy_percent]")].map((one) => +one.textContent);
      const first = column();
      heading.querySelector("button").click();
      const second = column();
      return [first, second, heading.getAttribute("aria-sort")];
    """
    first, second, order = browser.execute_script(script)
    assert first == sorted(first) and second == sorted(second, reverse=True) and len(set(first)) > 1
    assert order == "descending"


def test_a_table_is_downloaded_as_its_file(browser, page):
    script = """
      const done = arguments[0];
      const create = URL.createObjectURL;
      URL.createObjectURL = (blob) => { blob.text().then(done); return create(blob); };
      document.querySelector("[data-name=counts]").click();
    """
    assert browser.execute_async_script(script) == (page.parent / "tables" / "counts.csv").read_text()


@pytest.mark.parametrize("window", [{}, {"dark": True}, {"width": 390}], ids=str)
def test_axe_finds_no_barriers_to_accessibility(page, window):
    """axe-core checks accessibility: contrast, names, roles, keyboard."""
    from importlib.resources import files

    browser = opened(page, **window)
    try:
        browser.set_script_timeout(300)
        browser.execute_script((files("axe_core_python") / "axe.min.js").read_text())
        # the raw tables are similar and large, so only two of them are checked
        others = '{ exclude: [["#tables details:nth-child(n + 3)"]] }'
        script = f"const done = arguments[0]; axe.run({others}).then((found) => done(found.violations));"
        violations = browser.execute_async_script(script)
        assert [(one["id"], [node["target"] for node in one["nodes"]][:5]) for one in violations] == []
    finally:
        browser.quit()


def test_light_and_dark_by_a_button(browser):
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(paper)
    button = browser.find_element("id", "theme")
    assert button.text == "Dark"
    button.click()
    assert browser.execute_script(paper) != light and button.text == "Light"
    button.click()
    assert browser.execute_script(paper) == light


def test_images_by_keyboard(browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    tile = browser.find_element(By.CSS_SELECTOR, "[data-gallery=google] button")
    tile.send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "detail")
    assert dialog.get_attribute("open") and "query" in dialog.text and "http" in dialog.text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.get_attribute("open")


def test_the_browser_of_test_images_agrees_with_the_predictions(browser, page):
    import pandas as pd
    from selenium.webdriver.support.ui import Select

    table = pd.read_parquet(page.parent / "images.parquet")
    mine = table[table["scenario"] == "web"].set_index(["source", "row", "arm"])
    correct = (2 * mine["n_correct"] > mine["n_seeds"]).unstack()
    form = browser.find_element("id", "browse")

    def choose(**values):
        for name, value in values.items():
            Select(form.find_element("name", name)).select_by_value(value)
        text = browser.find_element("id", "found").text
        return int(text.split()[0]), len(browser.find_elements("css selector", "#browser button"))

    choose(scenario="web")
    assert choose(arm="kd", other="teacher", which="all") == (15, 15)
    count = int((correct["kd"] & ~correct["teacher"]).sum())
    assert choose(which="gained") == (count, count)
    assert choose(which="correct")[0] == int((correct["kd"] & correct["teacher"]).sum())
    assert choose(**{"which": "all", "class": "frog"})[0] == 5


@pytest.mark.parametrize("window", [{"width": 390}, {"width": 390, "dark": True}, {"dark": True}], ids=str)
def test_on_a_phone_and_in_the_dark(page, window):
    browser = opened(page, **window)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        if "width" in window:  # a phone
            assert browser.execute_script("return document.documentElement.scrollHeight") <= 8000
        script = "return ['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name])"
        paper_and_ink = browser.execute_script(script)
        light = [sum(map(int, color.strip("rgba()").split(",")[:3])) for color in paper_and_ink]
        assert (light[0] < light[1]) == window.get("dark", False)
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        browser.quit()
