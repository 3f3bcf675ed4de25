"""The HTML report of a finished run, in a browser that has no network."""

import html
import json
import re
import shutil
import subprocess

import pytest
from helpers.snakemake import run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package chromium)"),
]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
    "--enable-logging=stderr",
    "--virtual-time-budget=60000",
    "--dump-dom",
]


PROBE = """
<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
const pause = () => new Promise(done => setTimeout(done, 20));
addEventListener("load", async () => {{
  await pause();
  const found = await ({probe})().catch(error => errors.push(String(error)));
  document.body.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify({{found, errors}});
}});
</script>
"""

EVERY_RESULT = """async () => {
  const item = text => [...document.querySelectorAll("#app li a")].find(link => link.textContent === text);
  const shown = new Set();
  for (const category of Object.keys(categories)) {
    app.setView({navbarMode: "menu"});
    await pause();
    item(category).click();
    await pause();
    const buttons = "#app tbody tr td:last-child a:first-child";
    for (let index = 0; index < document.querySelectorAll(buttons).length; index++) {
      document.querySelectorAll(buttons)[index].click();
      await pause();
      shown.add(document.querySelector("#app iframe, #app .p-3 > img").src);
    }
  }
  app.setView({content: "rulegraph"});
  await pause();
  const opening = new DOMParser().parseFromString(document.getElementById("overview").srcdoc, "text/html");
  return {
    opening: [...opening.querySelectorAll("h2")].map(head => head.textContent),
    figures: opening.querySelectorAll("figure img").length,
    shown: Object.keys(results).filter(path => shown.has(results[path].data_uri)),
    captions: Object.keys(results).filter(path => results[path].caption),
  };
}"""

EVERY_ORDER = """async () => [...document.querySelectorAll("table")].map(table => {
  const rows = () => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent));
  return [...table.tHead.rows[0].cells].map(head => {
    const before = rows();
    head.click();
    const up = rows();
    head.click();
    return [before, up, rows()];
  });
})"""


def probed(page, probe, folder, *flags):
    """What a function returns in a copy of the page, opened offline; no script may fail, nothing may be missing."""
    copy = folder / "probed.html"
    copy.write_text(page.read_text().replace("<head>", "<head>" + PROBE.format(probe=probe), 1))
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "cdn.tailwindcss.com should" not in line]
    assert not said  # (Snakemake's report holds a copy of Tailwind that would rather not be used like this)
    text = re.search('<pre id="found">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert text, done.stdout[-2000:] + done.stderr
    answer = json.loads(html.unescape(text[1]))
    assert answer["errors"] == []
    return answer["found"]


def test_every_table_and_figure_that_is_there_is_reached_by_clicks_and_has_a_caption(finished, tmp_path):
    report, results = tmp_path / "report.html", finished / "results"
    made = [*results.glob("*.html"), *(results / "figures").rglob("*.png")]
    missing, aside = made.pop(), tmp_path / "aside.png"
    missing.rename(aside)
    try:
        assert "that are there" in run(finished, "--report", str(report))
    finally:
        aside.rename(missing)
    found = probed(report, EVERY_RESULT, tmp_path)
    assert len(made) > 10
    assert {"What to be careful about", "Figures", "What was run"} <= set(found["opening"])
    assert found["figures"] == len(list((results / "figures").rglob("*.png")))
    assert set(found["shown"]) == set(found["captions"]) == {path.relative_to(finished).as_posix() for path in made}


@pytest.mark.parametrize("width", [1280, 500])  # the narrowest that a browser without a screen makes its window
def test_the_opening_page_is_as_wide_as_the_window(finished, tmp_path, width):
    probe = "async () => [document.documentElement.scrollWidth, innerWidth, document.images.length]"
    page, window, pictures = probed(finished / "results/overview.html", probe, tmp_path, f"--window-size={width},900")
    assert page <= window <= width and pictures >= 9


@pytest.mark.parametrize("name", ["table1", "overview", "difficulty_stability"])
def test_a_click_on_a_head_sorts_whole_rows_by_its_column(finished, tmp_path, name):
    tables = probed(finished / f"results/{name}.html", EVERY_ORDER, tmp_path)
    assert tables
    for table in tables:
        for column, (before, *orders) in enumerate(table):
            for rows in orders:
                assert sorted(rows) == sorted(before)
            up, down = ([row[column] for row in rows] for rows in orders)
            filled = [text for text in up if text]
            assert up[: len(filled)] == filled, "empty cells are last"
            assert [rank(text) for text in filled] == sorted(map(rank, filled))
            assert [rank(text) for text in down if text] == sorted(map(rank, filled), reverse=True)


def rank(text):
    """Numbers by their value, then words."""
    number = re.match(r"[-+]?\d+(\.\d+)?(?= |$)", text)
    return (0, float(number[0]), "") if number else (1, 0.0, text.casefold())
