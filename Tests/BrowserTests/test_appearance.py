"""What the demo page looks like and how it is used without a mouse. Leaves screenshots in BELFRY_SCREENSHOT_DIR."""

import base64
import os
import unittest

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browser import SCREENSHOT_DIR, URL, BrowserTestCase, broadcast, insert

ORDER = ('{"order": 4711, "state": "shipped", "carrier": {"name": "North & Sea", "tracking": null},'
         ' "lines": [{"sku": "TX-200", "count": 2}, {"sku": "TX-310", "count": 1}], "express": true}')


class AppearanceTests(BrowserTestCase):
    def resize(self, width, height, scheme="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self, name):
        if not SCREENSHOT_DIR:
            return
        os.makedirs(SCREENSHOT_DIR, exist_ok=True)
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        with open(os.path.join(SCREENSHOT_DIR, f"{name}.png"), "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def screenshots(self, name):
        for width, height in ((1280, 800), (390, 844)):
            for scheme in ("light", "dark"):
                self.resize(width, height, scheme)
                self.screenshot(f"{name}-{width}x{height}-{scheme}")

    def assert_fits(self, width):
        self.resize(width, 800)
        overflow = self.driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.assertEqual(overflow, 0, f"the page scrolls sideways at {width} px")

    def fill(self):
        """An inbox with everything that can be in it."""
        self.sign_in()
        self.wait_connected()
        insert(self.user, '"Your parcel has left the warehouse."')
        old = insert(self.user, ORDER, "JSON_MSG")
        self.notification(old)
        self.driver.refresh()
        self.wait_for(lambda: self.is_redelivered(old), "the badge of a redelivered notification")
        self.find("#topic").send_keys("maintenance", Keys.ENTER)
        self.acknowledge(old)
        self.wait_outcome(old)
        topic = broadcast("maintenance", '"The harbour office closes at noon."')
        self.notification(topic)
        self.driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")

    def test_screenshots_of_the_sign_in(self):
        self.driver.get(f"{URL}/")
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form")
        self.screenshots("sign-in")
        self.assert_fits(360)

    def test_screenshots_of_the_inbox(self):
        self.sign_in()
        self.wait_connected()
        self.screenshots("empty")
        self.find("#sign-out").click()
        self.fill()
        self.screenshots("inbox")
        self.resize(390, 2400)
        self.screenshot("inbox-narrow-whole")
        self.assert_console_clean()

    def test_nothing_makes_the_page_scroll_sideways(self):
        self.user += "-" + "w" * 200
        self.sign_in()
        self.wait_connected()
        self.find("#topic").send_keys("t" * 200, Keys.ENTER)
        long = insert(self.user, '{"' + "k" * 300 + '": "' + "v" * 3000 + '"}', "JSON_MSG")
        self.notification(long)
        for width in (320, 360, 700, 1280):
            self.assert_fits(width)
        self.resize(360, 800)
        self.screenshot("long-360x800-light")

    def test_everything_can_be_done_with_the_keyboard(self):
        self.sign_in()
        self.wait_connected()
        older, newer = insert(self.user), insert(self.user)
        self.notification(newer)
        self.assertEqual(self.driver.switch_to.active_element.get_attribute("id"), "stream-title")

        def press(key):
            ActionChains(self.driver).send_keys(key).perform()

        press(Keys.TAB)
        self.assertEqual(self.driver.switch_to.active_element.get_attribute("id"), "auto")
        press(Keys.TAB)
        press(Keys.ENTER)
        self.wait_outcome(newer)
        press(Keys.SPACE)
        self.wait_outcome(older)
        self.wait_status(newer)
        self.wait_status(older)

    def test_every_control_has_a_name_and_arrivals_are_read_out(self):
        self.sign_in()
        self.wait_connected()
        message = insert(self.user)
        self.notification(message)
        for control in self.find_all("button, input, textarea"):
            if control.is_displayed():
                self.assertNotEqual(control.accessible_name, "", control.get_attribute("outerHTML"))
        self.assertEqual(self.find("#auto").aria_role, "switch")
        self.wait_for(lambda: self.find("#announcer").get_attribute("textContent") == "New notification, STRING_MSG.",
                      "the sentence that is read out")

    def test_text_has_enough_contrast(self):
        self.fill()
        for scheme in ("light", "dark"):
            self.resize(1280, 800, scheme)
            for selector, ratio in self.driver.execute_script(CONTRAST):
                self.assertGreaterEqual(ratio, 4.5, f"{selector} in {scheme} (WCAG 2.1, 1.4.3)")


CONTRAST = """
const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const background = (node) => {
    for (; node; node = node.parentElement) {
        const color = parse(getComputedStyle(node).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
};
return [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
    .filter((node) => !node.matches(":disabled"))
    .map((node) => {
        const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(background(node))];
        return [`${node.tagName} ${node.className || node.id}`, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
"""


if __name__ == "__main__":
    unittest.main()
