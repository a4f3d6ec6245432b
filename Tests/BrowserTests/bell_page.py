"""A page with nothing but a bell on it, under the demo page's Content-Security-Policy, for the tests of the bell."""

import base64
import contextlib
import importlib.util
import json
import os
import pathlib

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from browser import SCREENSHOT_DIR, URL, BrowserTestCase, new_driver, psql

MAKE = """
const [attributes, done] = arguments;
import("/bell.js").then(() => {
    const bell = document.createElement("belfry-bell");
    for (const [name, value] of Object.entries(attributes)) bell.setAttribute(name, value);
    Object.assign(window, { bell, told: [] });
    for (const name of ["opened", "closed", "clicked", "action", "message", "count", "state"]) {
        document.addEventListener(`belfry-${name}`, ({ detail }) => told.push([name, detail]));
    }
    done(null);
}, (error) => done(String(error)));
"""
PUT = """
const header = document.createElement("header");
const title = document.createElement("h1");
const main = document.createElement("main");
header.className = "bar";
title.className = "brand";
title.textContent = document.title = "A shop";
main.className = "sign-in";
main.textContent = "The page of an application.";
const sheet = new CSSStyleSheet();
sheet.replaceSync(".bar belfry-bell { margin-inline-start: auto; }");
document.adoptedStyleSheets = [sheet];
header.append(title, bell);
document.body.replaceChildren(header, main);
"""
ITEMS = """
return [...root.querySelectorAll(".item")].map((item) => ({
    id: item.dataset.id, title: item.querySelector(".open").textContent,
    text: item.querySelector(".text")?.textContent ?? null, isUnviewed: item.classList.contains("unviewed"),
}));
"""
OVERFLOW = """
const wide = (node) => node.scrollWidth > node.clientWidth + 1;
const parts = ".panel, .header, .scroll, .item, .open, .text, .actions, .toast, .menu";
return [document.documentElement, ...root.querySelectorAll(parts)].filter(wide)
    .map((node) => node.className || node.tagName);
"""


def notice(**members):
    return json.dumps(members)


def axe_source():
    """axe-core's rules, as a package of PyPI carries them."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        raise AssertionError("axe-core is not there: run scripts/install-packages test")
    return pathlib.Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


class BellTestCase(BrowserTestCase):
    """One bell of one user's; scripts have `bell`, and `root`, which is what is in it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Any data goes in: what a page is given is not to be trusted.
        psql("select belfry.register_type('BELL_TEST', 'true', 'For tests of the bell.');")
        psql("do $$ begin if not exists (select from belfry.notification_type where name = 'NOTICE') then"
             " perform belfry.register_type('NOTICE', 'true', 'A notice.'); end if; end $$;")

    def open_page(self, set_up="", url=None, **attributes):
        """The page with its bell. `set_up` is a script that has the bell before it is part of the page."""
        self.driver.get(f"{url or URL}/")
        self.wait_for(lambda: any(field.is_displayed() for field in self.find_all("#user, #token")),
                      "the sign-in form, after which the page's own script has nothing to do")
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        self.assertIsNone(self.driver.execute_async_script(MAKE, {"token": self.user, **named}))
        self.run_js(set_up)
        self.run_js(PUT)

    def open_connected(self, set_up="", **attributes):
        self.open_page(set_up, **attributes)
        self.wait_state("connected")

    @contextlib.contextmanager
    def another_device(self):
        """A browser with nothing in common with this one but the user; `self` is on it meanwhile."""
        driver = new_driver(self.accepts_any_certificate)
        self.addCleanup(driver.quit)
        with self.on(driver):
            yield driver

    @contextlib.contextmanager
    def on(self, driver):
        kept, self.driver = self.driver, driver
        try:
            yield
        finally:
            self.driver = kept

    # What is asked of the page

    def run_js(self, script, *values):
        return self.driver.execute_script(f"const root = bell.shadowRoot; {script}", *values)

    def wait_js(self, condition, what, *values):
        return self.wait_for(lambda: self.run_js(f"return {condition}", *values), what)

    def wait_state(self, state):
        self.wait_js("bell.state === arguments[0]", f"the state {state}", state)

    def wait_counts(self, unseen, unviewed):
        """The bell counts so, and PostgreSQL does."""
        wanted = {"unseen": unseen, "unviewed": unviewed}
        try:
            self.wait_for(lambda: self.run_js("return bell.counts") == wanted == self.stored_counts(), "the counts")
        except AssertionError:
            self.assertEqual((self.run_js("return bell.counts"), self.stored_counts()), (wanted, wanted))

    def stored_counts(self):
        unviewed, unseen = psql("select unviewed, unseen from belfry.unread(:'v1');", self.user)[0]
        return {"unseen": int(unseen), "unviewed": int(unviewed)}

    def badge(self):
        return self.run_js("const badge = root.querySelector('.badge'); return badge.hidden ? '' : badge.textContent")

    def items(self):
        return self.run_js(ITEMS)

    def ids(self):
        return [item["id"] for item in self.items()]

    def wait_ids(self, *ids):
        self.wait_for(lambda: self.ids() == list(ids), f"the items {ids}")

    def wait_unviewed(self, *marks):
        """Which items of the list are marked as unread, from the top."""
        self.wait_for(lambda: [item["isUnviewed"] for item in self.items()] == list(marks), f"unread: {marks}")

    def banner(self):
        return self.run_js(
            "const banner = root.querySelector('.banner'); return banner.hidden ? '' : banner.innerText")

    def announced(self):
        return self.run_js("return root.querySelector('[aria-live]').textContent")

    def events(self, name):
        return self.run_js("return told.filter(([name]) => name === arguments[0]).map(([, detail]) => detail)", name)

    def focused(self):
        """What has the focus, within the bell: class and text."""
        return self.run_js("const a = root.activeElement; return a && `${a.className} ${a.innerText.split('\\n')[0]}`")

    # What is done with it

    def shadow(self, selector):
        return self.find("belfry-bell").shadow_root.find_element(By.CSS_SELECTOR, selector)

    def click_bell(self):
        self.shadow(".bell").click()

    def open_list(self):
        self.click_bell()
        self.wait_js("bell.isOpen && !root.querySelector('[aria-busy=true]')", "the open list")

    def item(self, message_id):
        selector = f".item[data-id='{message_id}']"
        self.wait_js("root.querySelector(arguments[0]) !== null", f"item {message_id}", selector)
        return self.shadow(selector)

    def control(self, message_id, label):
        return self.item(message_id).find_element(By.CSS_SELECTOR, f"[aria-label='{label}']")

    def click_item(self, message_id):
        self.item(message_id).find_element(By.CSS_SELECTOR, ".open").click()

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    # How it looks

    def resize(self, width, height=844, scheme="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def assert_fits(self):
        self.assertEqual(self.run_js(OVERFLOW), [], "wider than their place")

    def screenshot(self, name):
        if not SCREENSHOT_DIR:
            return
        self.settle()
        os.makedirs(SCREENSHOT_DIR, exist_ok=True)
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        with open(os.path.join(SCREENSHOT_DIR, f"bell-{name}.png"), "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def settle(self):
        """All that moves by itself has come to its end, but for what is without one."""
        self.driver.execute_async_script("""
            const done = arguments[arguments.length - 1];
            const ends = (animation) => animation.effect.getComputedTiming().endTime !== Infinity;
            Promise.allSettled(bell.shadowRoot.getAnimations({ subtree: true }).concat(document.getAnimations())
                .filter(ends).map(({ finished }) => finished)).then(() => requestAnimationFrame(() => done()));""")
