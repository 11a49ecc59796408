"""The page in a real browser, by its DevTools protocol: it opens offline, shows everything, and prints."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from InvertibleFusionLib.evaluation.cases import EvaluationCase
from InvertibleFusionLib.evaluation.evaluation_page import About, write_page
from InvertibleFusionLib.evaluation.measuring import measure
from InvertibleFusionLib.evaluation.methods import Method, TakenApart
from InvertibleFusionLib.evaluation.trivial_rules import fusion_rules

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), "")
SECONDS = 120.0
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed (apt-get install chromium)")


class Browser:
    """Chromium behind two pipes; messages are JSON, ended by a zero byte."""

    def __init__(self, profile: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--disable-background-networking"]
        command += ["--window-size=1280,900"]
        redirected = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", redirected, "bash", *command], pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        os.set_blocking(self._read, False)
        self._waiting, self._number = b"", 0
        self.events: list[dict[str, Any]] = []
        self._session = ""

    def start(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def open(self, page: Path) -> None:
        self.call("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)
        os.close(self._read)
        os.close(self._write)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._waiting:
            assert time.monotonic() < end, "the browser does not answer"
            assert self._process.poll() is None, "the browser has ended"
            try:
                self._waiting += os.read(self._read, 1 << 20)
            except BlockingIOError:
                time.sleep(0.01)
        message, self._waiting = self._waiting.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    started = Browser(tmp_path / "profile")
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def page(case: EvaluationCase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two cases, seven methods with long names, one of which takes apart."""
    long = [
        Method(f"a_method_with_a_long_name_{number}", lambda given: given.sources[:1], card=None) for number in range(3)
    ]
    back = Method(
        "takes & apart",
        lambda given: given.sources[:1],
        lambda images, given, samples: TakenApart(
            np.repeat(images, 2, axis=0), np.full((2, *images.shape[1:]), 0.1, np.float32)
        ),
    )
    other = EvaluationCase("folder/with space", case.sources, (), case.images[:2], (4, 5), ("4", "5"), grid=case.grid)
    measurements = measure([*fusion_rules(), *long, back], [case, other])
    path = tmp_path_factory.mktemp("page") / "a report.html"
    write_page(measurements, About("T1 + T2 fused", "invertible-fusion evaluate …"), path)
    return path


def test_the_page_opens_offline_and_shows_everything(browser: Browser, page: Path) -> None:
    browser.open(page)
    images = browser.evaluate("[...document.images].map(image => [image.alt, image.naturalWidth])")
    assert len(images) > 50
    assert [alt for alt, width in images if width == 0] == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 1280
    requests = [event for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    asked_for = [event["params"]["request"]["url"] for event in requests]
    assert [url for url in asked_for if not url.startswith("data:")] == [page.as_uri()]
    said = [event for event in browser.events if event.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled")]
    assert said == []
    assert "Research use only" in browser.evaluate("document.body.innerText")


def test_the_page_is_narrow_enough_for_paper(browser: Browser, page: Path) -> None:
    browser.open(page)
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert printed.startswith(b"%PDF")
    pages = printed.count(b"/Type /Page\n") + printed.count(b"/Type/Page/")
    assert 3 <= pages <= 14
    browser.call("Emulation.setEmulatedMedia", media="print")
    width = round(188 / 25.4 * 96)  # A4 without its margins
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
    everything = "[...document.querySelectorAll('table, .panels')]"
    tables = browser.evaluate(f"{everything}.map(one => one.getBoundingClientRect().right)")
    assert len(tables) > 6
    assert max(tables) <= width
