"""The bell on a page: what it counts, lists, marks and tells, against a running server and its database."""

import unittest

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from bell_page import BellTestCase, notice
from browser import URL, insert, psql, status_of


class CountTests(BellTestCase):
    def test_the_badge_counts_what_no_open_list_has_shown(self):
        before = insert(self.user)
        self.open_connected()
        self.wait_counts(1, 1)
        self.wait_for(lambda: self.badge() == "1", "the badge 1")
        arrived = insert(self.user)
        self.wait_counts(2, 2)
        self.wait_for(lambda: self.shadow(".bell").accessible_name == "Notifications, 2 new", "the bell's name")
        self.open_list()
        self.wait_ids(arrived, before)
        self.wait_counts(0, 2)
        self.wait_for(lambda: self.badge() == "", "no badge")
        self.assertEqual(self.shadow(".bell").accessible_name, "Notifications")
        # What comes into the open list is seen, too.
        third = insert(self.user)
        self.wait_ids(third, arrived, before)
        self.wait_counts(0, 3)
        self.click_bell()
        insert(self.user)
        self.wait_counts(1, 4)
        self.wait_for(lambda: self.events("count")[-1] == {"unseen": 1, "unviewed": 4}, "the event")
        self.assert_console_clean()

    def test_what_is_taken_into_the_list_is_acknowledged(self):
        waiting = insert(self.user)
        self.open_connected()
        self.wait_status(waiting)
        self.wait_status(insert(self.user))

    def test_more_than_999_are_shown_as_such_and_marked_at_once(self):
        psql("insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', to_jsonb('Message ' || i) from generate_series(1, 1005) i;", self.user)
        self.open_connected()
        self.wait_for(lambda: self.badge() == "999+", "the badge 999+")
        self.open_list()
        self.wait_counts(0, 1000)
        self.wait_for(lambda: self.shadow("#tab-unread").text == "Unread 999+", "the number of unread ones")
        self.shadow(".mark-all").click()
        self.wait_counts(0, 0)
        self.wait_for(lambda: not self.shadow(".mark-all").is_enabled(), "nothing to be marked")
        self.wait_for(lambda: not any(item["isUnviewed"] for item in self.items()), "no item marked as unread")

    def test_the_list_grows_as_one_scrolls_up_to_its_bound(self):
        psql("insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', to_jsonb('Message ' || i) from generate_series(1, 540) i;", self.user)
        self.open_connected("""
            window.sockets = [];
            window.WebSocket = class extends WebSocket {
                constructor(...values) {
                    super(...values);
                    sockets.push(this);
                }
            };""")
        self.open_list()
        self.wait_js("root.querySelectorAll('.item').length >= 30", "the first page")
        self.assertLess(len(self.ids()), 200)
        seen = 0
        while len(self.ids()) < 500:
            seen = len(self.ids())
            self.run_js("const box = root.querySelector('.scroll'); box.scrollTop = box.scrollHeight;")
            self.wait_js("root.querySelectorAll('.item').length > arguments[0]", "the next page", seen)
        self.assertEqual([item["title"] for item in self.items()],
                         [f"Message {number}" for number in range(540, 40, -1)])
        self.wait_js("root.querySelector('.scroll').innerText.endsWith('The newest 500 are shown.')", "the end")
        newest = insert(self.user)
        self.wait_js("root.querySelector('.item').dataset.id === arguments[0]", "the newest", newest)
        self.assertEqual(len(self.ids()), 500)
        # What was read is read again after a connection: the list stays as long as it was.
        self.run_js("told.length = 0; const socket = sockets.at(-1); socket.close();")
        self.wait_for(lambda: [event["state"] for event in self.events("state")][-1:] == ["connected"],
                      "connected again")
        newest = insert(self.user)
        self.wait_js("root.querySelector('.item').dataset.id === arguments[0]", "the newest", newest)
        self.wait_js("!root.querySelector('[aria-busy=true]')", "the list read again")
        self.assertEqual(len(self.ids()), 500)

    def test_the_end_of_a_short_list_is_told(self):
        ids = [insert(self.user) for _ in range(40)]
        self.open_connected()
        self.open_list()
        self.run_js("const box = root.querySelector('.scroll'); box.scrollTop = box.scrollHeight;")
        self.wait_ids(*reversed(ids))
        self.wait_js("root.querySelector('.scroll').innerText.endsWith('That is all.')", "the end")

    def test_the_badge_is_in_the_title_where_the_page_wants_it(self):
        self.open_connected(title_badge="", set_up="""
            window.badges = [];
            navigator.setAppBadge = (count) => { badges.push(count); return Promise.reject(new Error("no app")); };
            navigator.clearAppBadge = () => { badges.push(0); return Promise.resolve(); };""")
        insert(self.user)
        self.wait_for(lambda: self.driver.title == "(1) A shop", "the title with the badge")
        self.driver.execute_script("document.title = 'A cart'")
        self.wait_for(lambda: self.driver.title == "(1) A cart", "the page's new title with the badge")
        self.open_list()
        self.wait_for(lambda: self.driver.title == "A cart", "the title without a badge")
        self.assertEqual(self.driver.execute_script("return badges.filter((b, i) => b !== badges[i - 1])"), [0, 1, 0])
        self.run_js("bell.removeAttribute('title-badge')")
        self.assert_console_clean()


class ListTests(BellTestCase):
    def test_a_click_marks_as_viewed_and_follows_the_address_unless_the_page_forbids(self):
        linked = insert(self.user, notice(title="Order 7", url="/stomp.d.ts?order=7"), "NOTICE")
        plain = insert(self.user, '"Hello"')
        self.open_connected()
        self.open_list()
        self.click_item(plain)
        self.wait_counts(0, 1)
        self.wait_unviewed(False, True)
        self.assertTrue(self.run_js("return bell.isOpen"), "without an address the list stays")
        self.driver.execute_script("window.held = (event) => event.preventDefault();"
                                   "document.addEventListener('belfry-clicked', held)")
        self.click_item(linked)
        self.wait_counts(0, 0)
        self.assertEqual(self.driver.current_url, f"{URL}/")
        clicked = self.events("clicked")
        self.assertEqual([click["url"] for click in clicked], [None, f"{URL}/stomp.d.ts?order=7"])
        self.assertEqual(clicked[1]["message"]["data"]["title"], "Order 7")
        self.driver.execute_script("document.removeEventListener('belfry-clicked', held)")
        self.open_list()
        self.click_item(linked)
        self.wait_for(lambda: self.driver.current_url == f"{URL}/stomp.d.ts?order=7", "the address")

    def test_what_is_clicked_is_viewed_though_the_page_is_left_for_it(self):
        linked = insert(self.user, notice(title="Order 7", url="/stomp.d.ts"), "NOTICE")
        self.open_connected()
        self.open_list()
        self.click_item(linked)
        self.wait_for(lambda: self.driver.current_url == f"{URL}/stomp.d.ts", "the address")
        self.wait_for(lambda: self.stored_counts()["unviewed"] == 0, "PostgreSQL knowing it as viewed")

    def test_actions_are_the_pages_or_lead_to_their_address(self):
        message = insert(self.user, notice(
            title="Order 7", actions=[{"label": "Show", "url": "/stomp.d.ts"}, {"label": "No", "url": "javascript:1"},
                                      {"label": "Third", "url": "/"}]), "BELL_TEST")
        own = insert(self.user, '{"order": 8}', "BELL_TEST")
        self.open_connected("""
            const pay = (order) => ({ title: `Order ${order}`, actions: [{ label: "Pay", order }] });
            bell.render = { BELL_TEST: (data) => data.order ? pay(data.order) : data };
            document.addEventListener("belfry-action", (event) => event.preventDefault());""")
        self.open_list()
        labels = [action.text for action in self.item(message).find_elements("css selector", ".action")]
        self.assertEqual(labels, ["Show"], "no address but http, and two at most")
        self.item(own).find_element("css selector", ".action").click()
        self.item(message).find_element("css selector", ".action").click()
        self.wait_counts(0, 0)
        self.assertEqual([event["action"] for event in self.events("action")],
                         [{"label": "Pay", "order": 8}, {"label": "Show", "url": "/stomp.d.ts"}])
        self.assertEqual(self.driver.current_url, f"{URL}/")

    def test_deleting_takes_it_away_for_good(self):
        first, second, third = (insert(self.user) for _ in range(3))
        self.open_connected()
        self.open_list()
        self.control(second, "Delete").click()
        self.wait_ids(third, first)
        self.wait_counts(0, 2)
        self.assertIn(first, self.item(first).get_attribute("outerHTML"))
        hidden = psql("select hidden_at is not null from belfry.message_log where id = :'v1'::bigint;", second)
        self.assertEqual(hidden, [["t"]])
        self.assertEqual(self.run_js("return root.activeElement.closest('.item').dataset.id"), first)
        self.driver.refresh()
        self.open_connected()
        self.open_list()
        self.wait_ids(third, first)

    def test_snoozing_takes_it_away_until_its_time(self):
        message, other = insert(self.user, '"Later"'), insert(self.user)
        self.open_connected()
        self.open_list()
        self.control(message, "Snooze").click()
        choices = self.run_js("return [...root.querySelectorAll('.menu [role=menuitem]')].map((c) => c.innerText)")
        self.assertEqual([choice.split("\n")[0] for choice in choices],
                         ["In an hour", "Tomorrow morning", "Next week"])
        self.press(Keys.ARROW_DOWN, Keys.ENTER)
        self.wait_ids(other)
        self.wait_counts(0, 1)
        times = psql("select extract(epoch from not_before)::bigint from belfry.message_log"
                     " where receiver = :'v1' and headers ->> 'snoozed-from' = :'v2';", self.user, message)
        morning = self.driver.execute_script(
            "const now = new Date();"
            "return new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1, 9).getTime() / 1000")
        self.assertEqual(times, [[str(morning)]])

    def test_what_was_snoozed_comes_back_on_top_and_says_so(self):
        message, other = insert(self.user, '"Later"'), insert(self.user)
        self.open_connected()
        copy = psql("select belfry.snooze(:'v1', :'v2'::bigint, now() + interval '2 seconds');",
                    self.user, message)[0][0]
        newer = insert(self.user)
        self.open_list()
        self.wait_ids(newer, other)
        self.wait_ids(copy, newer, other)
        self.assertIn("Snoozed", self.item(copy).text)
        self.assertNotIn("Snoozed", self.item(newer).text)
        self.wait_counts(0, 3)

    def test_marking_one_and_all_as_read_empties_the_tab_of_unread(self):
        first, second, third = (insert(self.user) for _ in range(3))
        self.open_connected()
        self.open_list()
        self.control(second, "Mark as read").click()
        self.wait_counts(0, 2)
        self.shadow("#tab-unread").click()
        self.wait_ids(third, first)
        self.wait_for(lambda: self.shadow("#tab-unread").text == "Unread 2", "the number of unread ones")
        self.control(third, "Mark as read").click()
        self.wait_ids(first)
        self.shadow(".mark-all").click()
        self.wait_ids()
        self.wait_counts(0, 0)
        self.assertIn("All caught up", self.shadow(".scroll").text)
        self.shadow("#tab-all").click()
        self.wait_ids(third, second, first)
        self.assert_console_clean()

    def test_unread_ones_far_down_are_found_by_their_tab(self):
        old = insert(self.user, '"Old"')
        psql("with sent as (insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', '\"x\"' from generate_series(1, 200) returning id)"
             " select belfry.notify('nobody', 'JSON_MSG', to_jsonb(count(*))) from sent;", self.user)
        newer = psql("select id from belfry.message_log where receiver = :'v1' and id > :'v2'::bigint;",
                     self.user, old)
        ids = [row[0] for row in newer]
        psql("select belfry.mark_viewed(:'v1', ids => :'v2'::bigint[]);", self.user, "{" + ",".join(ids) + "}")
        self.open_connected()
        self.open_list()
        self.assertNotIn(old, self.ids())
        self.shadow("#tab-unread").click()
        self.wait_ids(old)
        self.shadow("#tab-all").click()
        self.wait_js("root.querySelectorAll('.item').length > 1", "the tab of all")
        self.assertNotIn(old, self.ids(), "there is a gap above it")


class ArrivalTests(BellTestCase):
    def toasts(self):
        return self.run_js("return [...root.querySelectorAll('.toast .open')].map(({ textContent }) => textContent)")

    def test_what_arrives_while_it_is_closed_is_a_toast_and_read_out(self):
        insert(self.user, '"Before"')
        self.open_connected()
        self.wait_counts(1, 1)
        insert(self.user, notice(title="Order 7", text="It has left.", severity="success"), "NOTICE")
        self.wait_for(lambda: self.toasts() == ["Order 7"], "the toast")
        self.wait_for(lambda: self.announced() == "New notification: Order 7", "what is read out")
        self.assertEqual([event["message"]["type"] for event in self.events("message")], ["NOTICE"])
        self.shadow(".toast .tool").click()
        self.assertEqual(self.toasts(), [])
        self.open_list()
        insert(self.user, '"While open"')
        self.wait_counts(0, 3)
        self.assertEqual(self.toasts(), [])

    def test_a_toast_goes_by_itself_and_stays_under_the_pointer(self):
        self.open_connected("globalThis.setTimeout = ((real) => (body, time, ...rest) =>"
                            " real(body, time === 6000 ? 400 : time, ...rest))(globalThis.setTimeout);")
        insert(self.user, '"Short"')
        self.wait_for(lambda: self.toasts() == ["Short"], "the toast")
        self.wait_for(lambda: self.toasts() == [], "its end")
        insert(self.user, '"Held"')
        self.wait_js("root.querySelector('.toast') !== null", "the toast")
        ActionChains(self.driver).move_to_element(self.shadow(".toast")).perform()
        held = self.run_js("return root.querySelector('.toasts').matches(':hover')")
        insert(self.user, '"Another"')
        self.wait_for(lambda: len(self.toasts()) >= 1, "a toast")
        if held:
            self.assertIn("Another", self.wait_for(lambda: self.toasts()[1:] and self.toasts(), "two toasts"))
        ActionChains(self.driver).move_to_element(self.find("h1")).perform()
        self.wait_for(lambda: self.toasts() == [], "the end of both")

    def test_many_at_once_are_one_toast_with_a_number_that_opens_the_list(self):
        self.open_connected()
        psql("insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', to_jsonb('Message ' || i) from generate_series(1, 40) i;", self.user)
        self.wait_for(lambda: self.toasts() == ["40 new notifications"], "one toast for all")
        self.wait_counts(40, 40)
        self.shadow(".toast .open").click()
        self.wait_js("bell.isOpen", "the list")
        self.wait_counts(0, 40)
        self.assertEqual(self.toasts(), [])

    def test_a_click_on_a_toast_is_one_on_the_message(self):
        self.open_connected("document.addEventListener('belfry-clicked', (event) => event.preventDefault());")
        insert(self.user, notice(title="Order 7", url="/orders/7"), "NOTICE")
        self.wait_for(lambda: self.toasts() == ["Order 7"], "the toast")
        self.shadow(".toast .open").click()
        self.wait_counts(0, 0)
        self.assertEqual([event["url"] for event in self.events("clicked")], [f"{URL}/orders/7"])

    def test_a_page_may_keep_toasts_away(self):
        self.open_connected("document.addEventListener('belfry-message', (event) => {"
                            " if (event.detail.message.data === 'quiet') event.preventDefault(); });")
        insert(self.user, '"quiet"')
        insert(self.user, '"loud"')
        self.wait_for(lambda: self.toasts() == ["loud"], "the toast of the one")
        self.run_js("bell.setAttribute('toasts', 'off')")
        insert(self.user)
        self.wait_counts(3, 3)
        self.assertEqual(self.toasts(), [])

    def test_two_devices_agree_within_a_second(self):
        messages = [insert(self.user) for _ in range(4)]
        self.open_connected()
        with self.another_device() as other:
            self.open_connected()
            self.open_list()
            self.wait_ids(*reversed(messages))
        self.wait_counts(0, 4)
        self.open_list()
        script = "bell.shadowRoot.querySelector(`.item[data-id='${arguments[0]}'] ${arguments[1]}`).click()"
        for what, (index, control, unviewed) in {
                "viewed": (0, "[aria-label='Mark as read']", 3), "deleted": (1, "[aria-label=Delete]", 2)}.items():
            self.driver.execute_script(script, messages[index], control)
            with self.on(other):
                took = self.driver.execute_async_script("""
                    const done = arguments[arguments.length - 1];
                    const start = performance.now();
                    const look = () => {
                        if (bell.counts.unviewed === arguments[0]) done(performance.now() - start);
                        else setTimeout(look, 5);
                    };
                    look();""", unviewed)
                self.assertLess(took, 1000, what)
                self.wait_counts(0, unviewed)
        self.wait_ids(messages[3], messages[2], messages[0])
        with self.on(other):
            self.wait_ids(messages[3], messages[2], messages[0])
            self.wait_unviewed(True, True, False)
            self.shadow(".mark-all").click()
            self.wait_counts(0, 0)
        self.wait_counts(0, 0)
        self.wait_for(lambda: not any(item["isUnviewed"] for item in self.items()), "no item marked as unread")


class DemoTests(BellTestCase):
    """The bell beside the demo page, which keeps its messages until they are acknowledged there."""

    def test_the_demo_page_hands_its_messages_over(self):
        self.sign_in()
        self.wait_connected()
        first, second = insert(self.user, '"One"'), insert(self.user, notice(title="Two"), "NOTICE")
        self.notification(second)
        self.wait_counts(2, 2)
        self.assertEqual([status_of(message) for message in (first, second)], ["pending", "pending"])
        self.open_list()
        self.assertEqual([item["title"] for item in self.items()], ["Two", "One"])
        self.click_item(second)
        self.wait_counts(0, 1)
        self.control(first, "Delete").click()
        self.wait_ids(second)
        self.wait_counts(0, 0)
        # What the devices tell each other is acknowledged and not shown.
        self.wait_for(lambda: psql("select count(*) from belfry.message_log where receiver = :'v1'"
                                   " and type like 'NOTIFY%' and status <> 'delivered';", self.user) == [["0"]],
                      "the changes being delivered")
        self.assertEqual(self.shown_ids(), [second, first])
        self.press(Keys.ESCAPE)
        self.acknowledge(second)
        self.wait_status(second)
        self.find("#sign-out").click()
        self.wait_js("bell.state === 'closed' && bell.counts.unseen === 0", "the bell without a user")
        self.assert_console_clean()


if __name__ == "__main__":
    unittest.main()
