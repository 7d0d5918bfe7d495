"""The page of a study: its text, and what it does in a real browser."""

import copy
import json
import re
import shutil
from html.parser import HTMLParser

import made_up_study
import numpy as np
import pytest
from scipy.stats import rankdata

from benchmarks.spaces import space
from harness.report.page import page

EVIL = '</script><script>document.title="taken"</script><b>&amp;'
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
def study(tmp_path_factory):
    return made_up_study.study(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def text(study):
    return page(**study)


# ---- the text ----------------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Ids, references, and whether elements are closed in order."""

    VOID = ("meta", "link", "wbr", "input")

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.open, self.scripts, self.text = [], [], [], 0, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.scripts += tag == "script"
        self.ids += [value for key, value in attrs if key == "id"]
        self.references += [value for key, value in attrs if key in ("src", "href", "xlink:href", "data", "action")]

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_refers_to_nothing_outside(text):
    read = Reader(text)
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    assert {value[1:] for value in read.references if value.startswith("#")} <= set(read.ids)
    assert all(value.startswith(("#", "data:")) for value in read.references)
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<!--=|@import|url\((?!#figure-)", text)


def test_every_number_that_matters_is_in_the_text(text):
    shown = Reader(text).text
    for expected in (
        "0.500",
        "0.479 to 0.521",
        "0.578",
        "−0.078 [−0.098, −0.058]",
        "0.914",
        "15,625",
        "2,000",
        "smallest attainable p 0.001",
    ):
        assert expected in shown
    assert "1 of 3 seed 1: divergedseed 2: running" in shown
    assert "training.learning_rate: 0.025 → 0.1" in shown
    assert not re.search("&(lt|gt|amp);", shown)
    assert not re.search(r"</?\w", shown.partition("Findings")[2].partition('{"archs"')[0])


def test_equal_input_gives_equal_text_also_after_a_passage_through_json(study, text):
    assert page(**copy.deepcopy(study)) == text
    assert page(**study | {"analysis": json.loads(json.dumps(study["analysis"]))}) == text


def test_no_text_becomes_markup(study):
    study = copy.deepcopy(study)
    study["analysis"]["title"] = study["analysis"]["rows"][1]["label"] = study["scatter"]["runs"][0]["label"] = EVIL
    study["analysis"]["rows"][1] |= {"heuristic": EVIL, "family": EVIL, "states": {0: EVIL, 1: "done", 2: "done"}}
    study["analysis"]["findings"][0] = study["scatter"]["archs"][0] = study["scatter"]["note"] = EVIL
    study["methods"]["text"][0] = study["methods"]["checklist"][0]["answer"] = EVIL
    study["methods"]["recipe"]["space"] = study["methods"]["settings"][1]["label"] = EVIL
    study["figures"][EVIL] = next(iter(study["figures"].values()))
    text = page(**study)
    assert Reader(text).scripts == 2
    assert "<b>" not in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data)["archs"][0] == EVIL


def test_marks_of_the_template_in_a_text_stay_text(study):
    study = copy.deepcopy(study)
    study["analysis"]["findings"] = ["<!--=data-->"]
    assert "&lt;!--=data--&gt;" in page(**study)


def test_what_is_not_known_is_a_dash_and_not_nan(study):
    study = copy.deepcopy(study)
    a = study["analysis"]
    a |= {"ceiling": None, "proxy": None, "smallest_p": None, "beside_params": None}
    a["rows"][1]["means"] |= {"tau_top_10": None, "regret@1": float("nan")}
    study["scatter"]["runs"][0]["scores"][3] = float("nan")
    text = page(**study)
    assert "NaN" not in text.partition("<script>")[0]
    assert "unknown: this ground truth keeps no repeats apart" in text


def test_a_study_without_finished_runs_has_a_page(study):
    study = copy.deepcopy(study)
    rng = np.random.default_rng(0)
    study["analysis"] |= {
        "rows": [made_up_study.row("base", "as given", rng, states=("missing",) * 3)],
        "ceiling": None, "proxy": None, "smallest_p": None, "beside_params": None,
        "findings": ["No run of the base is done yet."],
    }  # fmt: skip
    study["scatter"] |= {"runs": [], "true": []}
    study["figures"] = {}
    assert "0 of 3" in page(**study)


def test_runs_of_the_base_come_first_by_seed(text):
    runs = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])["runs"]
    assert [(run["label"], run["seed"]) for run in runs[:4]] == [
        *(("base", seed) for seed in made_up_study.SEEDS),
        ("learning-rate=0.01", 0),
    ]


def test_scores_that_do_not_match_are_refused(study):
    study = copy.deepcopy(study)
    study["scatter"]["runs"][0]["scores"].pop()
    with pytest.raises(ValueError, match=r"clip=0\.25: 299 values for 300 architectures"):
        page(**study)


@pytest.mark.parametrize(
    ("svg", "problem"),
    [
        ("no drawing", "figure-1 is no SVG"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><image href="http://example.org/a.png"/></svg>', "have to load"),
    ],
)
def test_a_figure_that_cannot_be_inlined_is_refused(study, svg, problem):
    with pytest.raises(ValueError, match=problem):
        page(**study | {"figures": {"Figure": svg}})


def test_style_rules_of_a_figure_are_its_own(text):
    drawn = text.partition("<body>")[2].partition('<script type="application/json"')[0]
    rules = re.findall(r"<style[^>]*>([^<]*)</style>", drawn)
    assert rules == [f"#figure-{k} *{{stroke-linejoin: round; stroke-linecap: butt}}" for k in (1, 2)]


# ---- the page in a browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binaries = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in binaries.items() if path is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine: the page is not tested in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = binaries["chromium"]
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(binaries["chromedriver"]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page, fresh, in a wide window; afterwards nothing may stand in the browser's log."""
    size(browser, 1400, 1000)
    browser.get(address)
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
        ]

    light, dark = prefer("light"), prefer("dark")
    prefer("light")
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert light[2] == dark[2] == "rgba(255, 255, 255, 1)"  # figures keep a white ground


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
    choose(opened, "family", "unsaid")
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
        study["scatter"]["archs"] = [within.string(arch) for arch in within.archs(range(0, 300000, 1000)).tolist()]
    else:
        study["scatter"]["archs"][0] = study["scatter"]["runs"][0]["label"] = study["analysis"]["title"] = EVIL
    path = tmp_path / "index.html"
    path.write_text(page(**study), encoding="utf-8")
    size(browser, 1000, 900)
    browser.get(path.as_uri())
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
    assert browser.get_log("browser") == []
