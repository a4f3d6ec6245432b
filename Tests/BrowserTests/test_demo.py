"""The demo page with real clicks, against a running server and its database (see `run`)."""

import subprocess
import unittest

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import JWT_URL, RESTART_COMMAND, BrowserTestCase, broadcast, insert, psql, status_of


class ArrivalTests(BrowserTestCase):
    def test_a_committed_row_arrives_and_is_delivered_once_acknowledged(self):
        self.sign_in()
        self.wait_connected()
        message = insert(self.user, '"The tide is in."')
        self.assertEqual(self.data_of(message), "The tide is in.")
        self.assertFalse(self.is_redelivered(message))
        self.assertEqual(status_of(message), "pending")
        self.acknowledge(message)
        self.wait_outcome(message)
        self.wait_status(message)
        self.assertFalse(self.notification(message).find_element(By.CSS_SELECTOR, "button").is_displayed())
        self.assert_console_clean()

    def test_what_was_rolled_back_never_shows(self):
        self.sign_in()
        self.wait_connected()
        psql("begin; insert into belfry.message_log (receiver, type, data) values (:'v1', 'STRING_MSG', '\"no\"');"
             " rollback;", self.user)
        message = insert(self.user)
        self.notification(message)
        self.assertEqual(self.shown_ids(), [message])

    def test_what_waited_while_the_tab_was_closed_arrives_in_order_once(self):
        self.sign_in()
        self.wait_connected()
        first = insert(self.user)
        self.acknowledge(first)
        self.wait_status(first)
        self.close_tab()
        waiting = [insert(self.user, f'"number {number}"') for number in (1, 2, 3)]
        self.new_tab()
        self.sign_in()
        self.notification(waiting[-1])
        self.assertEqual(self.shown_ids(), waiting[::-1])
        for message in waiting:
            self.acknowledge(message)
            self.wait_status(message)
        after = insert(self.user)
        self.notification(after)
        self.assertEqual(self.shown_ids(), [after, *waiting[::-1]])

    def test_a_reload_signs_in_again_and_brings_back_what_was_not_acknowledged(self):
        self.sign_in()
        self.wait_connected()
        kept, done = insert(self.user), insert(self.user)
        self.acknowledge(done)
        self.wait_status(done)
        self.notification(kept)
        self.driver.refresh()
        self.notification(kept)
        self.wait_for(lambda: self.is_redelivered(kept), "the badge of a redelivered notification")
        self.assertEqual(self.shown_ids(), [kept])
        self.assertEqual(self.find("#who-name").text, self.user)

    def test_the_switch_acknowledges_what_waits_and_what_comes(self):
        self.sign_in()
        self.wait_connected()
        waiting = insert(self.user)
        self.notification(waiting)
        self.find("label.switch").click()
        self.wait_outcome(waiting)
        coming = insert(self.user)
        self.wait_outcome(coming)
        self.wait_status(waiting)
        self.wait_status(coming)
        self.driver.refresh()
        self.wait_connected()
        self.assertTrue(self.find("#auto").is_selected())

    def test_two_windows_of_a_user_both_show_it_and_one_acknowledges_it(self):
        self.sign_in()
        self.wait_connected()
        one = self.driver.current_window_handle
        self.new_tab()
        self.sign_in()
        self.wait_connected()
        message = insert(self.user)
        self.notification(message)
        self.acknowledge(message)
        self.wait_status(message)
        self.driver.switch_to.window(one)
        self.notification(message)
        self.assertEqual(self.shown_ids(), [message])

    def test_nobody_sees_what_is_for_another(self):
        self.sign_in()
        self.wait_connected()
        insert(f"{self.user}-other")
        mine = insert(self.user)
        self.notification(mine)
        self.assertEqual(self.shown_ids(), [mine])

    def test_a_broadcast_reaches_two_tabs_and_not_those_who_left(self):
        topic = f"news of {self.user}: all"
        tabs = []
        for number in (1, 2):
            tabs.append(self.new_tab())
            self.sign_in(f"{self.user}-{number}")
            self.wait_connected()
            self.find("#topic").send_keys(topic, Keys.ENTER)
            # A notification to oneself that arrives shows that the server has taken the subscription before it.
            self.acknowledge(insert(f"{self.user}-{number}"))
            self.wait_for(lambda: self.find_all(".notification[data-status=acknowledged]"), "an acknowledged one")
        message = broadcast(topic)
        for tab in tabs:
            self.driver.switch_to.window(tab)
            badge = self.notification(message).find_element(By.CSS_SELECTOR, ".topic")
            self.assertEqual(badge.text, f"topic {topic}")
        self.find(f"#topics button[aria-label='Unsubscribe from {topic}']").click()
        later = broadcast(topic)
        self.driver.switch_to.window(tabs[0])
        self.notification(later)
        self.driver.switch_to.window(tabs[1])
        mine = insert(f"{self.user}-2")
        self.notification(mine)
        self.assertNotIn(later, self.shown_ids())

    def test_markup_in_data_is_shown_as_text(self):
        self.sign_in()
        self.wait_connected()
        markup = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
        text = insert(self.user, '"' + markup.replace('"', '\\"') + '"')
        nested = insert(self.user, '{"<b>name</b>": "' + markup.replace('"', '\\"') + '"}', "JSON_MSG")
        self.assertEqual(self.data_of(text), markup)
        self.assertIn("<b>name</b>", self.data_of(nested))
        self.assertIn("<script>document.title", self.data_of(nested))
        self.assertEqual(self.find_all(".notification script, .notification img, .notification b"), [])
        self.assertNotIn("owned", self.driver.title)
        self.assert_console_clean()

    def test_json_is_indented_and_keeps_its_digits(self):
        self.sign_in()
        self.wait_connected()
        message = insert(self.user, '{"order": 12345678901234567890, "lines": [{"sku": "a:\\"b\\""}], "paid": null}',
                         "JSON_MSG")
        text = self.data_of(message)
        self.assertIn('"order": 12345678901234567890', text)
        self.assertIn('"sku": "a:\\"b\\""', text)
        self.assertGreater(len(text.splitlines()), 5)

    def test_only_the_newest_500_are_shown(self):
        psql("insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', to_jsonb('number ' || n) from generate_series(1, 520) n;", self.user)
        self.sign_in()
        self.wait_connected()
        last = psql("select max(id) from belfry.message_log where receiver = :'v1';", self.user)[0][0]
        self.notification(last)
        shown = self.shown_ids()
        self.assertEqual(len(shown), 500)
        self.assertEqual(shown, sorted(shown, key=int, reverse=True))
        self.assertTrue(self.find("#dropped").is_displayed())


class SendFormTests(BrowserTestCase):
    def send(self, type_name, data):
        for selector, text in (("#type", type_name), ("#data", data)):
            self.find(selector).clear()
            self.find(selector).send_keys(text)
        self.find("#send button[type=submit]").click()

    def setUp(self):
        super().setUp()
        self.sign_in()
        self.wait_connected()
        self.wait_for(lambda: self.find("#send").is_displayed(), "the form to send one")

    def result(self):
        return self.find("#send-result").text

    def test_what_one_sends_to_oneself_arrives(self):
        self.send("STRING_MSG", 'It is "quoted"')
        sent = self.wait_for(lambda: self.result().startswith("Sent as #") and self.result(), "the form's answer")
        message = sent.removeprefix("Sent as #").rstrip(".")
        self.assertEqual(self.data_of(message), 'It is "quoted"')
        self.send("JSON_MSG", '{"a": [1, 2]}')
        self.wait_for(lambda: self.result() not in ("", sent), "the form's second answer")
        second = self.result().removeprefix("Sent as #").rstrip(".")
        self.assertIn('"a": [', self.data_of(second))
        self.assert_console_clean()

    def test_data_that_is_not_json_is_said_so_and_not_sent(self):
        self.send("JSON_MSG", "{oops")
        self.wait_for(lambda: "not JSON" in self.result(), "that the data is not JSON")
        message = insert(self.user)
        self.notification(message)
        self.assertEqual(self.shown_ids(), [message])

    def test_what_the_database_refuses_is_said_in_its_words(self):
        self.send("NO_SUCH_TYPE", "{}")
        self.wait_for(lambda: "NO_SUCH_TYPE" in self.result(), "the refusal that names the type")
        self.assertIn("failed", self.find("#send-result").get_attribute("class"))

    def test_the_psql_line_and_the_statement_are_there_to_copy(self):
        self.assertIn("psql", self.find("#psql").text)
        self.assertIn(f"'{self.user}'", self.find("#sql").text)
        psql(self.find("#sql").text)
        self.wait_for(lambda: len(self.shown_ids()) == 1, "the row that the statement inserted")
        self.find("button[data-copy=psql]").click()
        self.wait_for(lambda: self.find("#copied").text, "that it was copied, or is selected")


class ConnectionTests(BrowserTestCase):
    @unittest.skipUnless(RESTART_COMMAND, "BELFRY_RESTART_COMMAND names no way to restart the server")
    def test_a_restart_of_the_server_is_survived(self):
        self.sign_in()
        self.wait_connected()
        kept = insert(self.user)
        self.notification(kept)
        restart = subprocess.Popen(RESTART_COMMAND, shell=True)
        try:
            self.wait_for(lambda: self.state().startswith("Reconnecting"), "the state Reconnecting")
            self.wait_for(lambda: "Trying again" in self.find("#banner").text, "the banner with the countdown")
        finally:
            self.assertEqual(restart.wait(timeout=120), 0)
        self.wait_connected()
        self.assertFalse(self.find("#banner").is_displayed())
        self.wait_for(lambda: self.is_redelivered(kept), "the badge of what came again")
        self.assertEqual(self.shown_ids(), [kept])
        self.acknowledge(kept)
        self.wait_status(kept)
        message = insert(self.user)
        self.notification(message)
        self.assertEqual(self.shown_ids(), [message, kept])

    def test_signing_out_forgets_the_user(self):
        self.sign_in()
        self.wait_connected()
        message = insert(self.user)
        self.notification(message)
        self.find("#sign-out").click()
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form")
        self.assertEqual(self.find("#user").get_attribute("value"), "")
        self.assertEqual(self.shown_ids(), [])
        self.driver.refresh()
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form after a reload")
        self.assertEqual(self.state(), "Not connected")

    def test_an_empty_user_is_asked_for(self):
        self.sign_in(user=" ")
        self.wait_for(lambda: self.find("#sign-in-error").text == "Enter a user id.", "the question for a user id")

    @unittest.skipUnless(JWT_URL, "BELFRY_JWT_URL names no server with real authentication")
    def test_a_refused_token_is_said_so_and_can_be_corrected(self):
        self.sign_in(user="not-a-token", url=JWT_URL)
        reason = self.wait_for(lambda: self.find("#sign-in-error").text, "why the token was refused")
        self.assertIn("token", reason.lower())
        self.assertEqual(self.state(), "Refused")
        self.assertFalse(self.find("#send").is_displayed())
        self.assertEqual(self.find("#token").get_attribute("value"), "not-a-token")
        self.assertIn("belfry token", self.find("#token-hint").text)


if __name__ == "__main__":
    unittest.main()
