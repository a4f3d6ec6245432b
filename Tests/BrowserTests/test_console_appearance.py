"""What the console looks like, at each width and in both schemes, whether it is to be used without a mouse and without
seeing it, by axe-core's rules among others. Leaves screenshots in BELFRY_SCREENSHOT_DIR."""

import unittest

from selenium.webdriver.common.keys import Keys

from bell_page import axe_source
from browser import URL, broadcast, insert, psql
from console_page import ConsoleTestCase, expire, park

WIDTHS = (390, 768, 1280, 1920)


class AppearanceTests(ConsoleTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        psql("select belfry.register_type('ORDER_SHIPPED',"
             """ '{"type": "object", "required": ["order"]}', 'An order left the house.');""")

    def routes(self):
        """Every page, with something of everything on it; a text by which one sees that it is there."""
        long = "w" * 200
        message = insert(self.user, '{"order": 4711, "state": "shipped", "carrier": {"name": "North & Sea"}}',
                         "ORDER_SHIPPED")
        insert(f"{self.user}-{long}")
        broadcast(f"news-{self.user}")
        park(self.user, "the client gave it back 20 times", 3)
        park(f"{self.user}-{long}", long)
        expire(f"{self.user}-2", 3)
        job = psql("select belfry.create_replay_job(receiver => :'v1', rate => 10);", f"{self.user}-2")
        number = psql("select max(id) from belfry.replay_job;")[0][0]
        self.assertTrue(job)
        return {
            "overview": ("#/overview", "PostgreSQL"), "messages": ("#/messages", "messages"),
            "message": (f"#/messages/{message}", "Timeline"),
            "nothing": ("#/messages?topic=nobody-here", "No message meets"), "users": ("#/users", "User id"),
            "user": (f"#/users/{self.operator}", "1 session"), "topic": (f"#/topics/news-{self.user}", "Nobody"),
            "parked": ("#/parked", long), "parked-group":
                ("#/parked/group?reason=the+client+gave+it+back+20+times&type=JSON_MSG", "Attempts"),
            "jobs": ("#/jobs", f"#{number}"), "job": (f"#/jobs/{number}", "Matched so far"),
            "new-job": ("#/jobs/new", "Show what it would do"), "types": ("#/types", "ORDER_SHIPPED"),
            "type": ("#/types/ORDER_SHIPPED", "Schema"), "processes": ("#/processes", "Heard from"),
            "audit": ("#/audit", "belfry.audit"), "doctor": ("#/doctor", "Looked at"),
        }

    def test_every_page_at_every_width_in_both_schemes(self):
        routes = self.routes()
        self.open_console()
        for name, (route, text) in routes.items():
            self.resize(1280)
            self.go(route)
            self.wait_for(lambda wanted=text: wanted in self.driver.execute_script(
                "return document.getElementById('page').textContent").replace("\u00a0", " "), f"{name}: {text}")
            for width in WIDTHS:
                for scheme in ("light", "dark"):
                    with self.subTest(page=name, width=width, scheme=scheme):
                        self.resize(width, scheme=scheme)
                        self.assert_fits(f"{name} at {width}")
                        self.screenshot(f"{name}-{width}-{scheme}")
            for width, scheme in ((1280, "light"), (1280, "dark"), (390, "dark")):
                with self.subTest(page=name, width=width, scheme=scheme, rules="axe"):
                    self.resize(width, scheme=scheme)
                    self.audit(f"{name}-{width}-{scheme}")
        self.resize(1280)
        self.assert_console_clean()

    def test_sign_in_dialogs_and_help(self):
        self.driver.get(f"{URL}/console")
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form")
        self.pictures("sign-in")
        self.open_console("#/messages/999999999999")
        self.wait_text("no message")
        self.pictures("absent")
        self.new_tab()
        message = insert(self.user)
        self.open_console(f"#/messages/{message}")
        self.button("Cancel…").click()
        self.wait_dialog("nobody would get it")
        self.pictures("dialog")
        self.press(Keys.ESCAPE)
        self.wait_for(lambda: not self.find_all("dialog[open]"), "the dialog closed")
        self.assertEqual(self.focused().accessible_name, "Cancel…", "the focus is back")
        self.press("?")
        self.pictures("help")

    def pictures(self, name):
        for width, scheme in ((1280, "light"), (390, "dark")):
            self.resize(width, scheme=scheme)
            self.assert_fits(name)
            self.screenshot(f"{name}-{width}-{scheme}")
            self.audit(f"{name}-{width}-{scheme}")
        self.resize(1280)

    def audit(self, name):
        """No violation of axe-core's rules."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe_source()})
        found = self.driver.execute_async_script("""
            const done = arguments[arguments.length - 1];
            const plain = ({ id, nodes }) => [id, nodes.map((node) => [node.html, node.failureSummary])];
            Promise.allSettled(document.getAnimations().map(({ finished }) => finished))
                .then(() => axe.run(document, { resultTypes: ["violations"] }))
                .then(({ violations, passes }) => done({
                    violations: violations.map(plain), passed: passes.map(({ id }) => id),
                }), (error) => done(String(error)));""")
        self.assertEqual(found["violations"], [], name)
        self.assertIn("color-contrast", found["passed"], "the rules have looked at the page")


class KeyboardTests(ConsoleTestCase):
    def test_from_signing_in_to_an_act_by_keys_alone(self):
        message = insert(self.user)
        self.driver.get(f"{URL}/console")
        self.wait_for(lambda: self.focused().get_attribute("id") == "user", "the focus in the form")
        self.press(self.operator, Keys.ENTER)
        self.wait_live()
        self.press("g", "m")
        self.wait_title("Messages")
        self.assertEqual(self.focused().tag_name, "h1", "the focus is on the new page")
        self.press("f")
        self.assertEqual(self.focused().get_attribute("id"), "receiver")
        self.press(self.user, Keys.ENTER)
        self.wait_for(lambda: [row[0] for row in self.rows()] == [message], "what was found")
        self.press(Keys.ESCAPE, "/")
        self.assertEqual(self.focused().get_attribute("id"), "jump-to")
        self.press(message, Keys.ENTER)
        self.wait_title(f"Message {message}")
        self.wait_text("Timeline")
        for _ in range(20):
            if self.focused().accessible_name == "Cancel…":
                break
            self.press(Keys.TAB)
        self.assertTrue(self.driver.execute_script("return document.activeElement.matches(':focus-visible')"))
        self.press(Keys.ENTER)
        self.wait_dialog("nobody would get it any more")
        self.button("Cancel 1 message", "dialog[open]")
        self.press(Keys.TAB, Keys.TAB, Keys.ENTER)
        self.wait_dialog(f"Message {message} is cancelled.")
        self.assertEqual(self.focused().accessible_name, "Close")
        self.press(Keys.ENTER)
        self.wait_for(lambda: not self.find_all("dialog[open]"), "the dialog closed")
        self.wait_for(lambda: self.find("#announcer").get_attribute("textContent")
                      == f"Message {message} is cancelled.", "the outcome read out")
        self.press("?")
        self.wait_dialog("Replay jobs")
        self.press(Keys.ESCAPE, "g", "o")
        self.wait_title("Overview")

    def test_keys_that_are_typed_into_a_field_are_the_fields(self):
        self.open_console("#/messages")
        self.find("#receiver").click()
        self.press("g", "o", "/", "?")
        self.assertEqual(self.find("#receiver").get_property("value"), "go/?")
        self.assertEqual(self.title(), "Messages")

    def test_a_plot_is_read_by_keys_and_as_a_table(self):
        self.open_console("#/overview")
        self.wait_for(lambda: self.find_all(".plot-area"), "the plots")
        slider = self.find(".plot-area")
        self.wait_for(lambda: "in " in slider.get_attribute("aria-valuetext"), "something measured")
        last = int(slider.get_attribute("aria-valuemax"))
        self.driver.execute_script("arguments[0].focus()", slider)
        self.press(Keys.HOME)
        self.assertEqual(slider.get_attribute("aria-valuenow"), "0")
        self.press(Keys.END)
        self.assertGreaterEqual(int(slider.get_attribute("aria-valuenow")), last)
        self.find("#page summary").click()
        self.wait_for(lambda: self.find_all(".numbers tbody tr"), "the same as a table")

    def test_the_focus_stays_where_it_is_while_a_page_is_live(self):
        park(self.user, f"stays {self.user}", 2)
        self.open_console("#/parked")
        button = self.button(f"Replay group JSON_MSG: stays {self.user}")
        self.driver.execute_script("arguments[0].focus()", button)
        park(self.user, f"another {self.user}")
        self.wait_text(f"another {self.user}")
        self.assertEqual(self.focused(), button)

    def test_times_in_utc_at_a_switch(self):
        message = insert(self.user)
        self.open_console(f"#/messages/{message}")
        self.wait_text("Written")
        self.assertNotIn("UTC", self.text())
        self.find("#zone").click()
        self.wait_text("UTC")
        self.assertEqual(self.find("#zone").get_attribute("aria-pressed"), "true")
        self.find("#zone").click()
        self.wait_gone("UTC")

    def test_motion_is_left_out_where_it_is_not_wanted(self):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
        self.open_console("#/overview")
        self.wait_text("PostgreSQL")
        self.assertEqual(self.driver.execute_script("return document.getAnimations().length"), 0)


if __name__ == "__main__":
    unittest.main()
