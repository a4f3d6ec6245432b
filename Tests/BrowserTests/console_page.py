"""The operators' console in a browser, and what its tests need in the database: for the tests of the console."""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.parse
import uuid

from selenium.webdriver.common.action_chains import ActionChains

from browser import JWT_URL, SCREENSHOT_DIR, URL, BrowserTestCase, psql

JWT_SECRET = os.environ.get("BELFRY_BROWSER_TESTS_JWT_SECRET", "")

#: What would run, or break out of where it stands, in a page that takes text for markup.
HOSTILE = '<img src=x onerror="document.title=1"></p><script>document.title=2</script>\' " & \u202etxet'


def token(user, operator=None):
    """A token of the node whose secret the tests know; `operator` is the claim of that name."""
    claims = {"sub": user, "exp": int(time.time()) + 3600}
    if operator is not None:
        claims["belfry.operator"] = operator
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.new(JWT_SECRET.encode(), signed, hashlib.sha256).digest()
    return b".".join((signed, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()


def park(receiver, reason, count=1, type_name="JSON_MSG", data='{"order": 7}'):
    """Messages that wait for an operator, as if clients had given them back too often; their ids."""
    rows = psql("""
        with written as (
            insert into belfry.message_log (receiver, type, data)
            select :'v1', :'v4', :'v5' from generate_series(1, :'v3'::int) returning id)
        select id from written order by id;""", receiver, reason, str(count), type_name, data)
    ids = [row[0] for row in rows]
    psql("""
        begin;
        delete from belfry.outbox where message_id = any (:'v1'::bigint[]);
        update belfry.message_log set status = 'parked', status_reason = :'v2' where id = any (:'v1'::bigint[]);
        insert into belfry.parked (message_id, reason, attempts)
        select id, :'v2', 20 from unnest(:'v1'::bigint[]) as id;
        commit;""", "{" + ",".join(ids) + "}", reason)
    return ids


def expire(receiver, count):
    """So many messages of a receiver that have expired."""
    psql("""
        begin;
        insert into belfry.message_log (receiver, type, data)
        select :'v1', 'STRING_MSG', '"Late"' from generate_series(1, :'v2'::int);
        update belfry.message_log set status = 'expired' where receiver = :'v1';
        delete from belfry.outbox where receiver = :'v1';
        commit;""", receiver, str(count))


def statuses(ids):
    rows = psql("select status from belfry.message_log where id = any (:'v1'::bigint[]) order by id;",
                "{" + ",".join(ids) + "}")
    return [row[0] for row in rows]


class ConsoleTestCase(BrowserTestCase):
    """An operator of a name of their own, with tabs of their own."""

    def setUp(self):
        super().setUp()
        self.operator = f"ops-{uuid.uuid4().hex[:8]}"

    # Coming in

    def open_console(self, route="", url=None, credential=None):
        """Signs in at a page of the console, and waits until it is live."""
        self.driver.get(f"{url or URL}/console{route}")
        field = self.wait_for(lambda: next((f for f in self.find_all("#user, #token") if f.is_displayed()), None),
                              "the sign-in form")
        field.send_keys(credential or self.operator)
        self.find("#sign-in-form button[type=submit]").click()
        self.wait_live()

    def open_as(self, operator, route=""):
        """The same at the node with tokens, by one with this claim."""
        self.open_console(route, JWT_URL, token(self.operator, operator))

    def wait_live(self):
        self.wait_for(lambda: self.state() == "Live", "the state Live")

    def go(self, route):
        self.driver.execute_script("location.hash = arguments[0]", route)

    # What is seen

    def text(self):
        return self.find("#page").text

    def title(self):
        return self.find("#page h1").text

    def route(self):
        return urllib.parse.unquote(self.driver.execute_script("return location.hash"))

    def wait_title(self, title):
        self.wait_for(lambda: self.title() == title, f"the page {title!r}")

    def wait_text(self, text):
        self.wait_for(lambda: text in self.text().replace("\u00a0", " "), f"{text!r} on the page")

    def wait_gone(self, text):
        self.wait_for(lambda: text not in self.text().replace("\u00a0", " "), f"{text!r} gone from the page")

    def button(self, name, within="#page"):
        """The button or link of this name, by what is read out of it, once it is there."""
        def named():
            return next((one for one in self.find_all(f"{within} button, {within} a")
                         if one.is_displayed() and one.accessible_name.replace("\u00a0", " ") == name), None)
        return self.wait_for(named, f"the button {name!r}")

    def buttons(self, within="#page"):
        return [one.accessible_name.replace("\u00a0", " ") for one in self.find_all(f"{within} button")
                if one.is_displayed()]

    def rows(self):
        """The cells of each row of the page's tables."""
        return self.driver.execute_script("""
            return [...document.querySelectorAll("#page .table tbody tr")].map((row) =>
                [...row.cells].map((cell) => cell.innerText.replaceAll("\\u00a0", " ").trim()));""")

    def dialog(self):
        return self.find("dialog[open]").text.replace("\u00a0", " ")

    def wait_dialog(self, text):
        self.wait_for(lambda: self.find_all("dialog[open]") and text in self.dialog(), f"{text!r} in the dialog")

    def confirm(self, name, outcome):
        """Presses the button that names the act, waits for what came of it, and closes the dialog."""
        self.button(name, "dialog[open]").click()
        self.wait_dialog(outcome)
        self.button("Close", "dialog[open]").click()
        self.wait_for(lambda: not self.find_all("dialog[open]"), "the dialog closed")

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.find(f"#page #{name}")
            field.clear()
            field.send_keys(value)

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.driver.switch_to.active_element

    # How it looks

    def resize(self, width, height=900, scheme="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self, name):
        """All of the page, as far down as it goes."""
        if not SCREENSHOT_DIR:
            return
        os.makedirs(SCREENSHOT_DIR, exist_ok=True)
        width, height = self.driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "format": "png", "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": min(height, 4000), "scale": 1}})
        with open(os.path.join(SCREENSHOT_DIR, f"console-{name}.png"), "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def assert_fits(self, name):
        overflow = self.driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.assertEqual(overflow, 0, f"{name} scrolls sideways")
