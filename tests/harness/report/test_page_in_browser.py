"""What the page of a study does in a real browser."""

import copy
import json
import re

import numpy as np
import pytest
from made_up_study import EVIL, typed
from scipy.stats import kendalltau, rankdata

from supernet.benchmarks.spaces import space
from supernet.harness.report.study.page import page

SHORT = {
    "none": "none",
    "skip_connect": "skip",
    "nor_conv_1x1": "conv 1×1",
    "nor_conv_3x3": "conv 3×3",
    "avg_pool_3x3": "avg pool",
    "conv3x3": "3×3",
    "conv1x1": "1×1",
    "maxpool3x3": "pool",
}


@pytest.fixture(scope="module")
def address(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page, fresh, in a wide window, with one run chosen; afterwards the browser's log must be empty."""
    size(browser, 1400, 1000)
    browser.get("about:blank")
    browser.get(address)
    choose(browser, "run", "base, seed 0")
    yield browser
    assert browser.get_log("browser") == []


def size(browser, width, height, **more):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False, **more},
    )


def find(browser, css):
    return browser.find_element("css selector", css)


def choose(browser, select, value):
    """Choose an option by the start of its text."""
    script = """
        const [select, value] = arguments;
        select.value = [...select.options].find((option) => option.text.startsWith(value)).value;
        select.dispatchEvent(new Event("change"));
    """
    browser.execute_script(script, find(browser, f"#{select}"), value)


def place_of(browser, study, i, label="base", seed=0):
    """Where an architecture's point must lie in the plot, from the ranks as SciPy has them."""
    run = next(run for run in study["scatter"]["runs"] if (run["label"], run["seed"]) == (label, seed))
    left, top, across, down = map(float, find(browser, "#plot").get_attribute("data-area").split())
    count = len(study["scatter"]["archs"])
    pad = 0.03 * (count - 1)
    ranks = [rankdata([-value for value in values])[i] for values in (study["scatter"]["true"], run["scores"])]
    across_share, down_share = ((count + pad - rank) / (count - 1 + 2 * pad) for rank in ranks)
    return left + across_share * across, top + (1 - down_share) * down, ranks


def hover(browser, study, i, **run):
    from selenium.webdriver import ActionChains

    x, y, ranks = place_of(browser, study, i, **run)
    plot = find(browser, "#plot")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    box = plot.rect
    offset = round(x - box["width"] / 2), round(y - box["height"] / 2)
    ActionChains(browser, duration=0).move_to_element_with_offset(plot, *offset).perform()
    return ranks


def shown(browser):
    """What the tooltip says: name -> value."""
    tip = find(browser, "#tip")
    assert tip.is_displayed()
    names, values = ([e.text for e in tip.find_elements("css selector", selector)] for selector in ("dt", "dd"))
    return {"arch": find(browser, "#tip code").text, **dict(zip(names, values, strict=True))}


def picture(browser):
    return browser.execute_script("return document.querySelector('#plot canvas').toDataURL()")


@pytest.mark.parametrize("i", [0, 17, 123])
def test_hovering_shows_the_architecture_its_cell_and_both_ranks(opened, study, i):
    assert not find(opened, "#tip").is_displayed()
    true, predicted = hover(opened, study, i)
    said = shown(opened)
    assert said["arch"] == study["scatter"]["archs"][i]
    assert said["True rank"] == f"{true:g} of 300"
    assert said["Predicted rank"] == f"{predicted:g} of 300"
    assert said["True accuracy"] == f"{study['scatter']['true'][i]:.2f} %"
    labels = [e.text for e in opened.find_elements("css selector", "#tip svg .label")]
    assert sorted(labels) == sorted(SHORT[op] for op in re.findall(r"\w+(?=~)", said["arch"]))
    assert len(opened.find_elements("css selector", "#tip svg circle.node")) == 4


def test_leaving_hides_the_tooltip_and_a_click_keeps_it(opened, study):
    from selenium.webdriver import ActionChains

    hover(opened, study, 5)
    assert find(opened, "#tip").is_displayed()
    ActionChains(opened, duration=0).move_to_element(find(opened, "#disorder h2")).perform()
    assert not find(opened, "#tip").is_displayed()
    hover(opened, study, 5)
    ActionChains(opened, duration=0).click().move_to_element(find(opened, "#run")).perform()
    before = shown(opened)
    choose(opened, "run", "learning-rate=0.1, seed 2")
    after = shown(opened)
    assert after["arch"] == before["arch"]
    assert after["Predicted rank"] != before["Predicted rank"]


def test_choosing_a_run_changes_the_plot(opened, study):
    plot = find(opened, "#plot")
    assert plot.get_attribute("data-run") == "base-0"
    before = picture(opened)
    choose(opened, "run", "learning-rate=0.01, seed 1")
    assert plot.get_attribute("data-run") == "learning-rate=0.01-1"
    assert "learning-rate=0.01, seed 1" in find(opened, "#facts").text
    assert picture(opened) != before
    _, predicted = hover(opened, study, 40, label="learning-rate=0.01", seed=1)
    assert shown(opened)["Predicted rank"] == f"{predicted:g} of 300"


def test_the_mean_over_seeds_ranks_by_mean_ranks(opened, study):
    choose(opened, "run", "base, mean ranks of 3 seeds")
    assert find(opened, "#plot").get_attribute("data-run") == "base"
    of_base = [run["scores"] for run in study["scatter"]["runs"] if run["label"] == "base"]
    mean = np.mean([rankdata(scores) for scores in of_base], axis=0)
    tau = kendalltau(mean, study["scatter"]["true"]).statistic
    assert find(opened, "#facts dd").text == f"{tau:.3f}"


def test_two_runs_stand_beside_each_other_and_share_what_is_pointed_at(opened, study):
    assert not find(opened, "#plot-2").is_displayed()
    choose(opened, "run-2", "learning-rate=0.01, seed 1")
    left, right = find(opened, "#plot"), find(opened, "#plot-2")
    assert right.is_displayed()
    assert left.rect["y"] == right.rect["y"]
    hover(opened, study, 17)
    names = [e.text for e in opened.find_elements("css selector", "#tip h4")]
    assert names == ["base, seed 0", "learning-rate=0.01, seed 1"]
    assert len(opened.find_elements("css selector", ".plot .ring:not([hidden])")) == 2
    choose(opened, "run-2", "nothing")
    assert not right.is_displayed()


def test_what_is_chosen_stands_in_the_address_and_is_chosen_again(opened, study):
    for control, value in (("run", "learning-rate=0.1, seed 2"), ("axes", "accuracy"), ("colour", "uses of none")):
        choose(opened, control, value)
    opened.execute_script("document.querySelector('#columns').click()")
    find(opened, "#filter").send_keys("rate")
    kept = opened.current_url
    opened.get("about:blank")
    opened.get(kept)
    values = [find(opened, f"#{control}").get_attribute("value") for control in ("run", "axes", "colour", "filter")]
    assert values == ["learning-rate=0.1-2", "values", "none", "rate"]
    assert find(opened, "#plot").get_attribute("data-run") == "learning-rate=0.1-2"
    assert find(opened, "#columns").is_selected()


def test_a_change_of_the_verdict_leads_to_its_ranking(opened):
    link = find(opened, "#forest tbody th a")
    link.click()
    frame = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
    opened.execute_async_script(frame)  # the page hears of its new address before it is drawn anew
    assert find(opened, "#plot").get_attribute("data-run") == link.text


def test_columns_beyond_the_first_are_shown_when_asked_for(opened):
    folded = find(opened, "#table th.more button")
    assert not folded.is_displayed()
    box = find(opened, "#effects .scroll")
    wide = opened.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", box)
    assert wide <= 0  # what is shown at first fits
    opened.execute_script("document.querySelector('#columns').click()")
    assert folded.is_displayed()


def test_axes_part_and_colour_change_the_plot(opened):
    pictures = [picture(opened)]
    for control, value in (("axes", "accuracy"), ("part", "truly best"), ("colour", "uses of skip_connect")):
        choose(opened, control, value)
        pictures.append(picture(opened))
    assert len(set(pictures)) == 4
    assert find(opened, "#plot").get_attribute("data-points") == "30"
    assert "uses of skip_connect" in find(opened, ".legend").text


def test_the_keyboard_steps_through_architectures(opened, study):
    from selenium.webdriver import Keys

    scores = next(run for run in study["scatter"]["runs"] if run["hash"] == "base-0")["scores"]
    order = np.argsort(study["scatter"]["true"])[::-1]
    plot = find(opened, "#plot")
    opened.execute_script("document.querySelector('#colour').focus()")
    opened.switch_to.active_element.send_keys(Keys.TAB)
    assert opened.switch_to.active_element == plot
    assert shown(opened)["arch"] == study["scatter"]["archs"][int(np.argmax(scores))]
    plot.send_keys(Keys.END)
    assert shown(opened)["True rank"] == "1 of 300"
    plot.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert shown(opened)["arch"] == study["scatter"]["archs"][order[2]]
    assert shown(opened)["True rank"] == "3 of 300"
    assert study["scatter"]["archs"][order[2]] in find(opened, "#said").get_attribute("textContent")
    plot.send_keys(Keys.ESCAPE)
    assert not find(opened, "#tip").is_displayed()


def test_a_tap_shows_an_architecture(opened, study):
    size(opened, 360, 800)
    plot = find(opened, "#plot")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    x, y, _ = place_of(opened, study, 30)
    left, top = opened.execute_script("const box = arguments[0].getBoundingClientRect(); return [box.x, box.y]", plot)
    opened.execute_cdp_cmd(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": left + x, "y": top + y}]}
    )
    opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert shown(opened)["arch"] == study["scatter"]["archs"][30]
    assert find(opened, "#tip").rect["y"] > plot.rect["y"] + plot.rect["height"]


def test_the_plot_follows_the_colour_scheme(opened):
    def prefer(scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        # The page is told before it is drawn anew.
        opened.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        return [
            picture(opened),
            *(find(opened, css).value_of_css_property("background-color") for css in ("body", ".card")),
            find(opened, ".card svg text").value_of_css_property("fill"),
        ]

    light, dark = prefer("light"), prefer("dark")
    prefer("light")
    assert all(a != b for a, b in zip(light, dark, strict=True))


def column(browser, k):
    """What the rows of the table sort by in a column, from top to bottom."""
    rows = "[...document.querySelectorAll('#table tbody tr')]"
    return browser.execute_script(f"return {rows}.map((row) => row.cells[arguments[0]].dataset.v ?? null)", k)


def test_sorting_by_mouse_and_keyboard(opened, study):
    from selenium.webdriver import Keys

    heads = opened.find_elements("css selector", "#table th[aria-sort]")
    k = next(k for k, head in enumerate(heads) if head.text.startswith("Difference"))
    before = column(opened, 0)
    heads[k].find_element("css selector", "button").click()
    values = [float(value) for value in column(opened, k) if value is not None]
    assert values == sorted(values, reverse=True)
    assert column(opened, k)[-2:] == [None, None]
    assert column(opened, 0) != before
    assert [head.get_attribute("aria-sort") for head in heads].count("none") == len(heads) - 1
    assert heads[k].get_attribute("aria-sort") == "descending"
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    assert heads[k].get_attribute("aria-sort") == "ascending"
    assert [float(value) for value in column(opened, k) if value is not None] == sorted(values)
    assert column(opened, k)[-2:] == [None, None]
    heads[1].find_element("css selector", "button").send_keys(Keys.SPACE)
    assert heads[k].get_attribute("aria-sort") == "none"
    assert [value for value in column(opened, 1) if value[0].isdigit()] == ["0.01", "0.05", "0.1", "0.2", "0.25"]


def visible(browser):
    return [
        row.get_attribute("data-label")
        for row in browser.find_elements("css selector", "#table tbody tr")
        if row.is_displayed()
    ]


def test_filtering_by_text_and_family(opened, study):
    field = find(opened, "#filter")
    field.send_keys("LEARNING 0.1")
    assert visible(opened) == ["learning-rate=0.1"]
    assert find(opened, "#count").text == "1 of 11 settings"
    field.clear()
    choose(opened, "family", "unreported details")
    assert visible(opened) == ["clip=null", "clip=0.25"]
    choose(opened, "family", "all")
    field.send_keys("diverged")
    assert visible(opened) == ["learning-rate=0.2", "path-sampling=classes"]
    field.send_keys(" nothing has this")
    assert visible(opened) == []


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_never_scrolls_sideways(opened, study, width):
    size(opened, width, 800)
    hover(opened, study, 17)
    for details in opened.find_elements("css selector", "summary"):
        opened.execute_script("arguments[0].click()", details)
    wide = opened.execute_script("return [document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert wide == [width] * 3 or (wide[0] == width and wide[1] <= width)
    tip = find(opened, "#tip").rect
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= width


def test_nothing_is_asked_of_the_network(browser, address):
    browser.get_log("performance")
    browser.get(address)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} == {address}


@pytest.mark.parametrize("changed", ["empty", "1shot1", "evil"])
def test_unusual_studies_work_in_the_browser(browser, study, tmp_path, changed):
    study = copy.deepcopy(study)
    if changed == "empty":
        study["scatter"] |= {"runs": [], "true": []}
    elif changed == "1shot1":
        within = space("nb1shot1-3")
        archs = within.archs(range(0, 300000, 1000)).tolist()
        study["scatter"]["archs"] = within.strings(archs)
        study["scatter"]["cells"] = [[graph.as_json() for graph in within.layout(arch)] for arch in archs]
    else:
        study["scatter"]["archs"][0] = study["scatter"]["runs"][0]["label"] = study["analysis"]["title"] = EVIL
        study["scatter"]["cells"][0] = [[[EVIL, EVIL, EVIL], [[0, 2, EVIL], [1, 2, ""]], 2]] * 2
    path = tmp_path / "index.html"
    path.write_text(page(**typed(study)), encoding="utf-8")
    size(browser, 1000, 900)
    browser.get(path.as_uri())
    if changed != "empty":
        choose(browser, "run", "base, seed 0")
    if changed == "empty":
        assert find(browser, "#no-runs").is_displayed()
        assert not find(browser, "#plot").is_displayed()
    elif changed == "1shot1":
        hover(browser, study, 99)
        said = shown(browser)
        assert said["arch"] == study["scatter"]["archs"][99]
        parts = re.findall(r"(\w+)~([\d,]+)", said["arch"])
        nodes = [e.text for e in browser.find_elements("css selector", "#tip svg text")]
        assert nodes == ["in", *(SHORT[op] for op, _ in parts[:-1]), "out"]
        edges = browser.find_elements("css selector", "#tip svg .edge")
        assert len(edges) == sum(len(parents.split(",")) for _, parents in parts)
    else:
        assert browser.title == EVIL
        hover(browser, study, 0)
        assert shown(browser)["arch"] == EVIL
        assert len(browser.find_elements("css selector", "#tip svg")) == 2  # one for each kind of cell
    assert browser.get_log("browser") == []
