"""Tabs of a browser that share one connection, for the tests of stomp.js: each with a client and what it has seen."""

import json
import pathlib

from selenium.common.exceptions import WebDriverException

from browser import URL, BrowserTestCase, new_driver, psql

PAGE_SCRIPT = (pathlib.Path(__file__).parent / "tab.js").read_text(encoding="utf-8")
SILENCE_MILLISECONDS = 400


class Tab:
    """One tab. Its page has `tab`, as tab.js makes it."""

    def __init__(self, driver, user, **options):
        self.driver = driver
        self.user = user
        self.options = {"url": "/ws", "token": user, "user": user, "tabTimeoutMilliseconds": SILENCE_MILLISECONDS,
                        "retryFirstMilliseconds": 50, **options}
        driver.switch_to.new_window("tab")
        self.handle = driver.current_window_handle
        self.load()

    def load(self):
        """Loads the page, again if it was loaded, and connects."""
        self.driver.get(f"{URL}/")
        self.run(PAGE_SCRIPT + f"return makeTab({json.dumps(self.options)});")

    def run(self, script, *values):
        """What an asynchronous script returns; `tab` is the page's, `values` its arguments."""
        self.driver.switch_to.window(self.handle)
        done = self.driver.execute_async_script(
            "const [values, done] = [[...arguments].slice(0, -1), arguments[arguments.length - 1]];"
            f"(async () => {{ {script} }})().then((value) => done({{ value }}), (error) => done({{ "
            "error: `${error.code ?? error.name}: ${error.message}` }));", *values)
        if "error" in done:
            raise ScriptError(done["error"])
        return done.get("value")

    def close(self):
        self.driver.switch_to.window(self.handle)
        self.driver.close()

    def reload(self):
        self.driver.switch_to.window(self.handle)
        self.load()

    def devtools(self, command, **parameters):
        self.driver.switch_to.window(self.handle)
        return self.driver.execute_cdp_cmd(command, parameters)

    def crash(self):
        """Its renderer ends, as by a fault or for want of memory."""
        try:
            self.devtools("Page.crash")
        except WebDriverException as error:
            if "tab crashed" not in str(error):
                raise

    @property
    def state(self):
        return self.run("return tab.client.state;")

    @property
    def is_leading(self):
        return self.run("return tab.client.isLeading;")

    @property
    def shown(self):
        """The ids of the messages that were handed over, in their order."""
        return self.run("return tab.shown;")


class ScriptError(Exception):
    """What a script in a page threw."""


class TabsTestCase(BrowserTestCase):
    """Each test opens tabs of its own."""

    def new_device(self):
        """Another browser, with a profile of its own."""
        driver = new_driver(False)
        self.addCleanup(driver.quit)
        return driver

    def open_tabs(self, count, user=None, driver=None, **options):
        tabs = []
        for _ in range(count):
            tabs.append(Tab(driver or self.driver, user or self.user, **options))
        self.wait_all_connected(tabs)
        return tabs

    def wait_all_connected(self, tabs):
        for tab in tabs:
            self.wait_for(lambda tab=tab: tab.state == "connected", "a tab being connected")

    def wait_shown(self, tabs, *ids):
        """Waits until each tab was handed over these messages, each once and in their order, and no others."""
        for tab in tabs:
            self.wait_for(lambda tab=tab: len(tab.shown) >= len(ids), f"messages {ids} in a tab")
            self.assertEqual(tab.shown, list(ids))

    def leader(self, tabs):
        """The tab that leads; waits until exactly one does."""
        def only():
            leading = [tab for tab in tabs if tab.is_leading]
            return leading[0] if len(leading) == 1 else None
        return self.wait_for(only, "exactly one leading tab")

    def sessions(self, user=None):
        return int(psql("select count(*) from belfry.presence where receiver = :'v1';", user or self.user)[0][0])

    def wait_sessions(self, count, user=None):
        self.wait_for(lambda: self.sessions(user) == count, f"{count} sessions of the user")
