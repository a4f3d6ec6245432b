"""What the bell looks like, whether it is to be used without a mouse and without seeing it, by axe-core's rules among
others. Leaves screenshots in BELFRY_SCREENSHOT_DIR."""

import unittest

from selenium.webdriver.common.keys import Keys

from bell_page import BellTestCase, axe_source, notice
from browser import insert, psql

NOTICES = [
    {"title": "Maintenance on Sunday", "severity": "info",
     "text": "The harbour office is closed from 2 to 4 in the morning."},
    {"title": "Your order has been delivered", "severity": "success", "url": "/orders/4711", "icon": "/favicon.svg",
     "text": "Order 4711 was left at the reception.", "actions": [{"label": "View order", "url": "/orders/4711"}]},
    {"title": "Storage is almost full", "severity": "warning",
     "text": "92 % of 50 GB are used. Delete old attachments or buy more space before the mailbox stops taking mail."},
    {"title": "The payment was declined", "severity": "error", "url": "/card",
     "text": "The bank refused the charge of 49.90 €. Please check the card.",
     "actions": [{"label": "Update card", "url": "/card"}, {"label": "Contact us", "url": "/contact"}]},
]


class AppearanceTests(BellTestCase):
    def fill(self):
        """A list with everything that can be in it; its newest two are unread."""
        old = insert(self.user, '{"order": 4711, "state": "shipped", "carrier": {"name": "North & Sea"}}', "JSON_MSG")
        insert(self.user, '"A text as it is."')
        ids = [insert(self.user, notice(**members), "NOTICE") for members in NOTICES]
        psql("update belfry.message_log set created_at = now() - interval '1 day' * (:'v2'::bigint + 5 - id)"
             " where receiver = :'v1' and id < :'v2'::bigint + 5;", self.user, old)
        psql("select belfry.mark_viewed(:'v1', up_to => :'v2'::bigint);", self.user, ids[1])
        return ids

    def audit(self, state):
        """No violation of axe-core's rules, in either scheme, at both widths."""
        self.settle()
        for width, height in ((1280, 800), (390, 844)):
            for scheme in ("light", "dark"):
                self.resize(width, height, scheme)
                name = f"{state}-{width}-{scheme}"
                self.screenshot(name)
                self.assert_fits()
                # By the debugger: the page's policy lets no other script in.
                self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe_source()})
                found = self.driver.execute_async_script("""
                    const done = arguments[arguments.length - 1];
                    const plain = ({ id, nodes }) => [id, nodes.map((node) => [node.html, node.failureSummary])];
                    axe.run(document, { resultTypes: ["violations"] }).then(({ violations, passes }) => done({
                        violations: violations.map(plain), passed: passes.map(({ id }) => id),
                    }), (error) => done(String(error)));""")
                self.assertEqual(found["violations"], [], name)
                self.assertIn("button-name", found["passed"], "the rules have looked at the bell")
        self.resize(1280, 800)

    def test_closed_with_a_badge(self):
        self.fill()
        self.open_connected()
        self.wait_for(self.badge, "the badge")
        self.audit("closed")

    def test_open(self):
        self.fill()
        self.open_connected()
        self.open_list()
        self.wait_js("root.querySelectorAll('.item').length === 6", "the items")
        self.audit("open")
        self.shadow("#tab-unread").click()
        self.wait_js("root.querySelectorAll('.item').length === 2", "the unread items")
        self.audit("unread")
        for theme in ("dark", "light"):
            self.run_js("bell.setAttribute('theme', arguments[0])", theme)
            self.screenshot(f"theme-{theme}")
        surfaces = []
        for theme in ("dark", "light"):
            self.run_js("bell.setAttribute('theme', arguments[0])", theme)
            surfaces.append(self.shadow(".panel").value_of_css_property("background-color"))
        self.assertEqual(surfaces, ["rgba(28, 35, 43, 1)", "rgba(255, 255, 255, 1)"])

    def test_empty(self):
        self.open_connected()
        self.open_list()
        self.wait_js("root.querySelector('.blank') !== null", "that there is nothing")
        self.audit("empty")

    def test_toasts(self):
        self.open_connected("globalThis.setTimeout = ((real) => (body, time, ...rest) =>"
                            " real(body, time > 5000 ? 600000 : time, ...rest))(globalThis.setTimeout);")
        for members in NOTICES[1:]:
            insert(self.user, notice(**members), "NOTICE")
        self.wait_js("root.querySelectorAll('.toast').length === 3", "the toasts")
        self.audit("toasts")

    def test_the_menu_of_snoozing(self):
        ids = self.fill()
        self.open_connected()
        self.open_list()
        self.control(ids[3], "Snooze").click()
        self.wait_js("!root.querySelector('.menu').hidden", "the menu")
        self.audit("snooze")

    def test_states_of_the_connection(self):
        self.fill()
        self.open_connected("""
            import("/stomp.js").then(({ StompClient }) => {
                const client = new StompClient({ url: "/ws", token: bell.token });
                const { watch } = client;
                client.watch = (watcher) => { window.watcher = watcher; return watch.call(client, watcher); };
                client.connect();
                bell.client = client;
            });""")
        self.wait_js("bell.client?.state === 'connected' && bell.counts.unviewed > 0", "the page's client")
        self.open_list()
        reason = {"code": 1006, "text": "The server cannot be reached."}
        for state, detail in (("reconnecting", {"reason": reason, "retryAt": 4102444800000}),
                              ("closed", {"reason": {"code": 4001, "text": "The token was refused."}}),
                              ("closed", {"reason": {"code": 4009, "text": "Too many sessions."}})):
            self.driver.execute_script("watcher(...arguments)", state, detail)
            self.wait_for(self.banner, "the banner")
            self.audit(f"state-{state}-{detail['reason']['code']}")

    def test_long_texts(self):
        word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
        insert(self.user, notice(title=word * 3, text=word * 10, actions=[{"label": word, "url": "/"}] * 2,
                                 severity="warning"), "BELL_TEST")
        insert(self.user, notice(title="A title of many words " * 9, text="And a text of many words. " * 40), "NOTICE")
        insert(self.user, '"' + "The whole message is a text. " * 30 + '"')
        self.open_connected("bell.render = { BELL_TEST: (data) => data };")
        self.open_list()
        self.wait_js("root.querySelectorAll('.item').length === 3", "the items")
        self.audit("long")
        before = self.shadow(".item").size["height"]
        self.shadow(".open").click()
        self.wait_for(lambda: self.shadow(".item").size["height"] > before, "all of the text")
        self.audit("long-expanded")
        self.shadow(".open").click()
        self.wait_for(lambda: self.shadow(".item").size["height"] == before, "its beginning")

    def test_the_list_stays_within_the_window_wherever_the_bell_is(self):
        self.fill()
        self.open_connected()
        for place in ("inset: 8px auto auto 8px", "inset: 8px 8px auto auto", "inset: auto auto 8px 8px",
                      "inset: auto 8px 8px auto", "inset: 45% auto auto 45%"):
            for width, height in ((1280, 800), (390, 844), (320, 400)):
                self.resize(width, height)
                self.run_js("bell.style.cssText = `position: fixed; ${arguments[0]}`; bell.open();", place)
                self.settle()
                box = self.run_js("const { left, top, right, bottom } = root.querySelector('.panel')"
                                  ".getBoundingClientRect(); return [left, top, right, bottom]")
                at = f"{place} at {width}x{height}: {box}"
                self.assertTrue(box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height, at)
                self.assertGreater(box[3] - box[1], 150, at)
                if width <= 480:
                    self.assertEqual((box[0], box[2]), (0, width), at)
                self.run_js("bell.close()")

    def test_motion_is_left_out_where_it_is_not_wanted(self):
        self.open_connected()
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
        self.assertEqual(self.run_js("bell.open(); return root.getAnimations().length"), 0)
        self.run_js("bell.close()")
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-reduced-motion", "value": "no-preference"}]})
        self.assertGreater(self.run_js("bell.open(); return root.getAnimations().length"), 0)

    def test_the_page_sets_colours_and_sizes(self):
        self.open_connected()
        self.open_list()
        self.run_js("""
            const sheet = new CSSStyleSheet();
            sheet.replaceSync("belfry-bell { --belfry-surface: rgb(1, 2, 3); --belfry-panel-width: 300px }"
                + " belfry-bell::part(title) { font-size: 30px }");
            document.adoptedStyleSheets.push(sheet);""")
        self.assertEqual(self.shadow(".panel").value_of_css_property("background-color"), "rgba(1, 2, 3, 1)")
        self.assertEqual(self.shadow(".panel").size["width"], 300)
        self.assertEqual(self.shadow(".title").value_of_css_property("font-size"), "30px")


class KeyboardTests(BellTestCase):
    def test_everything_can_be_done_with_the_keyboard(self):
        first, second, third = (insert(self.user, f'"Number {number}"') for number in (1, 2, 3))
        self.open_connected()
        self.wait_counts(3, 3)
        self.press(Keys.TAB)
        self.assertEqual(self.run_js("return root.activeElement.className"), "bell")
        self.press(Keys.ENTER)
        self.wait_ids(third, second, first)
        self.wait_counts(0, 3)
        self.assertEqual(self.shadow(".bell").get_attribute("aria-expanded"), "true")
        self.assertEqual(self.focused(), "tab All")
        self.press(Keys.ARROW_RIGHT)
        self.assertEqual(self.focused(), "tab Unread 3")
        self.wait_js("root.querySelector('#tab-unread').getAttribute('aria-selected') === 'true'", "the tab")
        self.press(Keys.HOME, Keys.ARROW_DOWN)
        self.assertEqual(self.focused(), "open Number 3")
        self.press(Keys.ARROW_DOWN)
        self.assertEqual(self.focused(), "open Number 2")
        self.assertTrue(self.run_js("return root.activeElement.matches(':focus-visible')"))
        self.press(Keys.ENTER)
        self.wait_counts(0, 2)
        self.wait_for(lambda: not self.items()[1]["isUnviewed"], "the item as viewed")
        self.press(Keys.TAB)
        self.assertEqual(self.run_js("return root.activeElement.getAttribute('aria-label')"), "Snooze")
        self.press(Keys.ENTER)
        self.assertEqual(self.focused(), "choice In an hour")
        self.press(Keys.ARROW_UP)
        self.assertEqual(self.focused(), "choice Next week")
        self.press(Keys.ESCAPE)
        self.assertEqual(self.run_js("return [bell.isOpen, root.activeElement.getAttribute('aria-label')]"),
                         [True, "Snooze"])
        self.press(Keys.END)
        self.assertEqual(self.focused(), "open Number 1")
        self.press(Keys.ARROW_UP, Keys.DELETE)
        self.wait_ids(third, first)
        self.assertEqual(self.focused(), "open Number 1")
        self.press(Keys.DELETE)
        self.wait_ids(third)
        self.assertEqual(self.focused(), "open Number 3")
        self.press(Keys.DELETE)
        self.wait_ids()
        self.assertEqual(self.focused(), "tab All")
        self.press(Keys.ESCAPE)
        self.assertEqual(self.run_js("return [bell.isOpen, root.activeElement.className]"), [False, "bell"])
        self.assertEqual(self.shadow(".bell").get_attribute("aria-expanded"), "false")
        self.wait_counts(0, 0)

    def test_one_stop_for_each_item_and_the_list_closes_when_the_focus_leaves(self):
        for number in (1, 2, 3):
            insert(self.user, f'"Number {number}"')
        self.open_connected()
        self.run_js("""const link = document.createElement("a"); link.href = "#"; link.textContent = "After";
            document.querySelector(".bar").append(link);""")
        self.open_list()
        self.wait_counts(0, 3)
        stops = self.run_js("return [...root.querySelectorAll('.item *')].filter((n) => n.tabIndex >= 0).map("
                            "(n) => n.getAttribute('aria-label') ?? n.textContent)")
        self.assertEqual(stops, ["Number 3", "Mark as read", "Snooze", "Delete"])
        for _ in range(5):
            self.press(Keys.TAB)
        self.wait_js("!bell.isOpen", "the list being closed")
        self.assertEqual(self.driver.switch_to.active_element.text, "After")
        self.assertEqual(len(self.events("closed")), 1)

    def test_a_button_that_has_done_its_work_hands_the_focus_on(self):
        insert(self.user)
        self.open_connected()
        self.wait_counts(1, 1)
        self.press(Keys.TAB, Keys.ENTER)
        self.wait_counts(0, 1)
        self.run_js("root.querySelector('.mark-all').focus()")
        self.press(Keys.ENTER)
        self.wait_counts(0, 0)
        self.wait_for(lambda: not self.shadow(".mark-all").is_enabled(), "nothing to be marked")
        self.assertEqual(self.focused(), "tab All")

    def test_keys_in_a_field_of_the_pages_are_the_fields(self):
        insert(self.user, '{"order": 7}', "BELL_TEST")
        other = insert(self.user)
        self.open_connected("""
            bell.render = { BELL_TEST() {
                const field = document.createElement("input");
                field.setAttribute("aria-label", "Answer");
                field.value = "x";
                return field;
            } };""")
        self.open_list()
        self.wait_counts(0, 2)
        self.find("belfry-bell > input").click()
        self.press(Keys.HOME, Keys.DELETE, Keys.ARROW_UP, "yes")
        self.assertEqual(self.find("belfry-bell > input").get_property("value"), "yes")
        self.assertEqual(len(self.ids()), 2)
        self.assertEqual(self.ids()[0], other)
        self.assertTrue(self.run_js("return bell.isOpen"))

    def test_a_click_beside_it_closes_the_list(self):
        self.open_connected()
        self.open_list()
        self.find("main").click()
        self.wait_js("!bell.isOpen", "the list being closed")

    def test_what_is_viewed_elsewhere_takes_no_focus_away(self):
        first, second = (insert(self.user, f'"Number {number}"') for number in (1, 2))
        self.open_connected()
        self.open_list()
        self.shadow("#tab-unread").click()
        self.wait_ids(second, first)
        self.press(Keys.ARROW_DOWN)
        self.assertEqual(self.focused(), "open Number 2")
        psql("select belfry.mark_viewed(:'v1', ids => array[:'v2'::bigint]);", self.user, second)
        self.wait_ids(first)
        self.assertEqual(self.focused(), "open Number 1")


if __name__ == "__main__":
    unittest.main()
