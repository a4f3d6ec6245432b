"""A headless Chromium, a user's view of the demo page, and the database behind it, for the tests of this folder."""

import os
import subprocess
import unittest
import uuid

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

URL = os.environ.get("BELFRY_URL", "").rstrip("/")
PSQL_URL = os.environ.get("BELFRY_PSQL_URL", "")
JWT_URL = os.environ.get("BELFRY_JWT_URL", "").rstrip("/")
TLS_URL = os.environ.get("BELFRY_TLS_URL", "").rstrip("/")
RESTART_COMMAND = os.environ.get("BELFRY_RESTART_COMMAND", "")
PAUSE_COMMAND = os.environ.get("BELFRY_PAUSE_COMMAND", "")
SCREENSHOT_DIR = os.environ.get("BELFRY_SCREENSHOT_DIR", "")
WAIT_SECONDS = float(os.environ.get("BELFRY_WAIT_SECONDS", "30"))


def new_driver(accepts_any_certificate):
    """Chromium without a window. As root it has no sandbox of its own to run in."""
    options = webdriver.ChromeOptions()
    options.accept_insecure_certs = accepts_any_certificate
    options.binary_location = os.environ.get("BELFRY_CHROMIUM", "/usr/bin/chromium")
    for argument in (
            "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,800", "--lang=en"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(os.environ.get("BELFRY_CHROMEDRIVER", "/usr/bin/chromedriver"))
    driver = webdriver.Chrome(service=service, options=options)
    driver.set_script_timeout(WAIT_SECONDS)
    driver.set_page_load_timeout(WAIT_SECONDS)
    return driver


def psql(sql, *values):
    """Runs one SQL text with psql; `values` fill its `:'v1'`, `:'v2'`, …. Returns the rows as lists of strings."""
    command = ["psql", PSQL_URL, "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"]
    for number, value in enumerate(values, 1):
        command += ["-v", f"v{number}={value}"]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    if done.returncode != 0:
        raise AssertionError(f"psql failed: {done.stderr}")
    return [line.split("\x1f") for line in done.stdout.splitlines() if line]


def insert(receiver, data='"Hello"', type_name="STRING_MSG"):
    """Commits one notification as an application would; returns its id."""
    sql = "insert into belfry.message_log (receiver, type, data) values (:'v1', :'v2', :'v3') returning id;"
    return psql(sql, receiver, type_name, data)[0][0]


def broadcast(topic, data='"Hello, all"'):
    sql = "insert into belfry.message_log (topic, type, data) values (:'v1', 'STRING_MSG', :'v2') returning id;"
    return psql(sql, topic, data)[0][0]


def status_of(message_id):
    return psql("select status from belfry.message_log where id = :'v1'::bigint;", message_id)[0][0]


class BrowserTestCase(unittest.TestCase):
    """One Chromium for a class; each test has a user of its own and tabs of its own."""

    accepts_any_certificate = False

    @classmethod
    def setUpClass(cls):
        if not URL:
            raise unittest.SkipTest("BELFRY_URL names no server")
        cls.driver = new_driver(cls.accepts_any_certificate)
        cls.addClassCleanup(cls.driver.quit)
        cls.home = cls.driver.current_window_handle

    def setUp(self):
        self.user = f"alice-{uuid.uuid4().hex[:8]}"
        self.new_tab()

    def tearDown(self):
        for handle in self.driver.window_handles:
            if handle != self.home:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self.home)
        self.driver.get_log("browser")

    # Tabs

    def new_tab(self):
        """A tab with a session storage of its own, as a person opens one."""
        self.driver.switch_to.new_window("tab")
        return self.driver.current_window_handle

    def close_tab(self):
        self.driver.close()
        self.driver.switch_to.window(self.home)

    # Waiting and finding

    def wait_for(self, condition, what):
        """The first true value of `condition()`, which is asked again until a bound."""
        wait = WebDriverWait(
            self.driver, WAIT_SECONDS, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        try:
            return wait.until(lambda _: condition())
        except TimeoutException:
            self.fail(f"within {WAIT_SECONDS:g} s not seen: {what}")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    # What a user does and sees

    def sign_in(self, user=None, url=None):
        self.driver.get(f"{url or URL}/")
        field = self.wait_for(lambda: next((f for f in self.find_all("#user, #token") if f.is_displayed()), None),
                              "the sign-in form")
        field.send_keys(user or self.user)
        self.find("#sign-in-form button[type=submit]").click()

    def wait_connected(self):
        self.wait_for(lambda: self.state() == "Connected", "the state Connected")

    def state(self):
        return self.find("#state-text").text

    def shown_ids(self):
        """The ids of the notifications on the page, newest first."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('#notifications .notification')].map((item) => item.dataset.id)")

    def notification(self, message_id):
        """The notification of this id, once it is on the page."""
        selector = f".notification[data-id='{message_id}']"
        return self.wait_for(lambda: next(iter(self.find_all(selector)), None), f"notification {message_id}")

    def wait_outcome(self, message_id, outcome="acknowledged"):
        self.wait_for(lambda: self.notification(message_id).get_attribute("data-status") == outcome,
                      f"notification {message_id} being {outcome}")

    def wait_status(self, message_id, status="delivered"):
        self.wait_for(lambda: status_of(message_id) == status, f"row {message_id} being {status}")

    def is_redelivered(self, message_id):
        return self.notification(message_id).find_element(By.CSS_SELECTOR, ".redelivered").is_displayed()

    def data_of(self, message_id):
        return self.notification(message_id).find_element(By.CSS_SELECTOR, ".data").text

    def acknowledge(self, message_id):
        self.notification(message_id).find_element(By.CSS_SELECTOR, "button.acknowledge").click()

    def assert_console_clean(self):
        """No error of a script, no violation of the Content-Security-Policy."""
        severe = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        self.assertEqual(severe, [])
