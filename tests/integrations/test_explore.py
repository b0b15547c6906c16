"""The explorer in a browser, and as a widget of a notebook."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset, from_arrays
from ae_jax.explore import explore, serve
from ae_jax.training import untrained

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the PATH.")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser) -> Iterator:
    """Opens an address; no script may fail, and nothing but the address may be asked for."""
    opened, failed = [], []

    def open_page(address: str, *, viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, **options)
        page = context.new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("request", lambda request: failed.extend([request.url] * (not request.url.startswith(address))))
        page.goto(address)
        page.wait_for_function("document.querySelector('[data-part=status]').textContent")
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert failed == []


def part(page, name: str):
    return page.locator(f"[data-part={name}]")


def pixels(page, name: str) -> np.ndarray:
    return np.array(part(page, name).evaluate(PIXELS)).reshape(-1, 4)[:, 0]


def drag(page, slider, share: float) -> None:
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], middle, steps=4)
    page.mouse.up()


@pytest.fixture(scope="module")
def held(small: Dataset) -> Run:
    """A run whose decoder the page holds."""
    return ae_jax.fit(ae_jax.variational(code=3, hidden=(12,)), small, epochs=3, batch_size=16)


@pytest.fixture(scope="module")
def asked(small: Dataset) -> Run:
    """A run whose decoder the page asks for."""
    run = untrained(ae_jax.convolutional(code=3, channels=(4,)), small)
    return ae_jax.fit(run.members[0], small, epochs=1, batch_size=16)


@pytest.fixture
def served(request: pytest.FixtureRequest, small: Dataset) -> Iterator[str]:
    server, address = serve(explore(request.getfixturevalue(request.param), small))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


@needs_chromium
@pytest.mark.parametrize("served", ["held", "asked"], indirect=True)
def test_sliders_change_the_decoded_picture_as_the_decoder_does(
    visit, served: str, request: pytest.FixtureRequest, small: Dataset
):
    page = visit(served)
    name = request.node.callspec.params["served"]
    run = request.getfixturevalue(name)
    codes = run.encode(small.test.x)
    page.wait_for_function("document.querySelector('[data-part=decoded]').width == 8")
    before = pixels(page, "decoded")
    slider = part(page, "sliders").locator("input").first
    drag(page, slider, 0.95)
    page.wait_for_timeout(500)
    after = pixels(page, "decoded")
    assert np.abs(after - before).max() > 5
    unit = int(np.argmax(codes.var(axis=0)))
    moved = codes[0].copy()
    moved[unit] = float(slider.input_value())
    low, high = float(small.test.x.min()), float(small.test.x.max())
    expected = np.clip((run.decode(moved[None])[0] - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(after, expected.ravel(), atol=1.5)
    assert part(page, "traversals").locator("canvas").count() == 3 * 7
    assert part(page, "between").locator("canvas").count() == 7


@needs_chromium
@pytest.mark.parametrize("served", ["held"], indirect=True)
def test_examples_are_selected_by_click_key_number_and_neighbour(visit, served: str, held: Run, small: Dataset):
    page = visit(served)
    first = part(page, "status").inner_text()
    canvas = part(page, "map")
    canvas.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        if part(page, "status").inner_text() != first:
            break
    assert part(page, "status").inner_text() != first
    part(page, "number").fill("7")
    page.keyboard.press("Enter")
    assert (
        part(page, "status").inner_text().startswith(f"Example 7: label {small.test.labels[7]}, reconstruction error")
    )
    shown = small.test.x[7].ravel() / small.test.x.max() * 255
    np.testing.assert_allclose(pixels(page, "original"), shown, atol=1)
    codes = held.encode(small.test.x)
    distances = np.linalg.norm(codes - codes[7], axis=1)
    neighbours = part(page, "neighbours").locator("button")
    nearest = np.argsort(distances)[1]
    neighbours.first.click()
    assert part(page, "status").inner_text().startswith(f"Example {nearest}:")
    box = canvas.bounding_box()
    seen = set()
    for across in np.linspace(0.1, 0.9, 9):
        for up in np.linspace(0.1, 0.9, 9):
            page.mouse.click(box["x"] + across * box["width"], box["y"] + up * box["height"])
            seen.add(part(page, "status").inner_text())
    assert len(seen) > 4


@needs_chromium
@pytest.mark.parametrize("served", ["held"], indirect=True)
def test_the_map_is_coloured_zoomed_and_moved(visit, served: str):
    page = visit(served)
    canvas = part(page, "map")
    pictures = [canvas.screenshot()]
    part(page, "colours").select_option("reconstruction error")
    pictures.append(canvas.screenshot())
    assert part(page, "legend").locator(".ramp").count() == 1
    canvas.hover()
    page.mouse.wheel(0, -300)
    pictures.append(canvas.screenshot())
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 240, steps=3)
    page.mouse.up()
    pictures.append(canvas.screenshot())
    assert len(set(pictures)) == 4
    part(page, "reset").click()
    page.mouse.move(0, 0)
    assert canvas.screenshot() == pictures[1]


@needs_chromium
@pytest.mark.parametrize("name", ["held", "asked"])
def test_a_file_works_without_a_network(
    visit, name: str, request: pytest.FixtureRequest, small: Dataset, tmp_path: Path
):
    path = explore(request.getfixturevalue(name), small).save(tmp_path / "page.html")
    page = visit(path.as_uri(), offline=True)
    assert part(page, "traversals").locator("canvas").count() == 3 * 7
    if name == "asked":
        assert "need the decoder" in part(page, "latents-note").inner_text()
        assert not part(page, "latents").is_visible()
        return
    before = pixels(page, "decoded")
    drag(page, part(page, "sliders").locator("input").first, 0.95)
    assert np.abs(pixels(page, "decoded") - before).max() > 5


@needs_chromium
@pytest.mark.parametrize("kind", ["image", "series", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_kind_of_data_within_its_width(
    visit, kind: str, scheme: str, held: Run, small: Dataset, tmp_path: Path
):
    rng = np.random.default_rng(0)
    x = {"series": np.sin(np.linspace(0, 6, 32) + rng.uniform(size=(40, 1))), "table": rng.normal(size=(40, 5))}
    data = small if kind == "image" else from_arrays(x[kind], np.arange(40) % 3, name=kind)
    run = held if kind == "image" else untrained(ae_jax.undercomplete(code=3), data)
    path = explore(run, data).save(tmp_path / "page.html")
    page = visit(path.as_uri(), viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert len(set(part(page, "original").evaluate(PIXELS))) > 1
    for control in page.locator("button, select, input[type=range], input[type=number]").all():
        assert control.bounding_box()["height"] >= 24
    background = page.evaluate("getComputedStyle(document.querySelector('.explorer')).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


@needs_chromium
@pytest.mark.parametrize("served", ["held"], indirect=True)
def test_everything_is_reached_by_the_tab_key_and_has_a_name(visit, served: str):
    page = visit(served)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = "document.activeElement"
        reached.add(page.evaluate(f"{focused}.dataset.part || {focused}.type || {focused}.className"))
    expected = {
        "map",
        "kinds",
        "colours",
        "number",
        "reset",
        "range",
        "first",
        "second",
        "to-example",
        "to-mean",
        "scroll",
    }
    assert reached >= expected
    unnamed = "canvas => !canvas.getAttribute('aria-label')"
    assert [canvas.evaluate(unnamed) for canvas in page.locator("canvas").all()].count(True) == 0


@needs_chromium
def test_the_widget_shows_the_page_and_its_kernel_decodes(browser, asked: Run, small: Dataset):
    pytest.importorskip("anywidget")
    widget = asked.explore(small)

    def kernel(given):
        widget.asked = given
        return widget.answer

    page = browser.new_page()
    page.set_content(f"<style>{widget._css}</style><div id=cell></div>")
    page.expose_function("kernel", kernel)
    page.evaluate(
        """async ([script, contents]) => {
            const values = { contents }, listeners = {};
            const model = {
              get: name => values[name], set: (name, value) => { values[name] = value; },
              on: (event, listener) => { listeners[event] = listener; }, off: () => {},
              save_changes: async () => {
                values.answer = await window.kernel(values.asked);
                listeners["change:answer"]();
              },
            };
            const widget = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
            widget.default.render({ model, el: document.getElementById("cell") });
        }""",
        [widget._esm, widget.contents],
    )
    page.wait_for_function("document.querySelector('[data-part=decoded]').width == 8")
    part(page, "number").fill("5")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    low, high = float(small.test.x.min()), float(small.test.x.max())
    expected = np.clip((asked.reconstruct(small.test.x[5:6])[0] - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(pixels(page, "decoded"), expected.ravel(), atol=1.5)
    widget.asked = {"id": "2", "codes": [[1.0]]}
    assert "the page asked for" in widget.answer["error"]
    page.close()
