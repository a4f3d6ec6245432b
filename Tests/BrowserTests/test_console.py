"""The operators' console with real clicks: messages that are found, traced and replayed, by the database."""

import unittest
import uuid

from selenium.webdriver.common.keys import Keys

from browser import broadcast, insert, psql, status_of
from console_page import ConsoleTestCase


class MessageTests(ConsoleTestCase):
    def test_a_message_is_found_traced_and_replayed(self):
        other = insert(f"{self.user}-2")
        message = insert(self.user, '{"order": {"id": 12345678901234567890}}', "JSON_MSG")
        psql("select belfry.cancel(:'v1'::bigint);", message)
        self.open_console("#/messages")
        self.fill(receiver=self.user)
        self.button("Search").click()
        self.wait_text("Nothing was found")
        self.button("look for it, too").click()
        self.wait_for(lambda: [row[0] for row in self.rows()] == [message], "the one message")
        self.assertIn(f"receiver={self.user}", self.route())
        self.assertNotIn(other, [row[0] for row in self.rows()])
        self.button(message).click()
        self.wait_title(f"Message {message}")
        self.wait_text("Cancelled")
        self.wait_text('"id": 12345678901234567890')
        self.wait_text(f"written for {self.user}")
        self.button("Replay…").click()
        self.wait_dialog("It would be queued again and delivered.")
        self.assertEqual(status_of(message), "cancelled", "looking does nothing")
        self.confirm("Replay 1 message", f"Message {message}: It was queued again.")
        self.wait_status(message, "pending")
        self.wait_for(lambda: self.find("#page .trace .status").text == "pending", "the new status on the page")
        act = psql("select actor, act from belfry.audit where act like 'replay%' order by id desc limit 1;")[0]
        self.assertEqual(act, [self.operator, "replay"])
        self.assert_console_clean()

    def test_a_delivered_message_is_replayed_only_when_that_is_said(self):
        message = insert(self.user)
        psql("update belfry.message_log set status = 'delivered', delivered_at = now() where id = :'v1';"
             " delete from belfry.outbox where message_id = :'v1';", message)
        self.open_console(f"#/messages/{message}")
        self.button("Replay…").click()
        self.wait_dialog("Nothing would be done")
        self.assertEqual(self.buttons("dialog[open]"), ["Close"])
        self.find("#include-delivered").click()
        self.wait_dialog("It would be queued again")
        self.confirm("Replay 1 message", "It was queued again.")
        self.assertEqual(psql("select count(*) from belfry.outbox where message_id = :'v1';", message), [["1"]])

    def test_a_pending_message_is_cancelled(self):
        message = insert(self.user)
        self.open_console(f"#/messages/{message}")
        self.button("Cancel…").click()
        self.wait_dialog("nobody would get it any more")
        self.button("Back", "dialog[open]").click()
        self.assertEqual(status_of(message), "pending")
        self.button("Cancel…").click()
        self.confirm("Cancel 1 message", f"Message {message} is cancelled.")
        self.assertEqual(status_of(message), "cancelled")

    def test_each_criterion_finds_what_it_says(self):
        topic = f"topic-{uuid.uuid4().hex[:8]}"
        key = f"key-{uuid.uuid4().hex[:8]}"
        on_topic = broadcast(topic)
        keyed = psql("insert into belfry.message_log (receiver, type, data, idempotency_key)"
                     " values (:'v1', 'STRING_MSG', '\"Keyed\"', :'v2') returning id;", self.user, key)[0][0]
        deep = insert(self.user, '{"order": {"lines": [{"sku": "TX 200"}], "express": true}}', "JSON_MSG")
        self.open_console("#/messages")
        for wanted, fields in [
                (on_topic, {"topic": topic}), (keyed, {"key": key}), (deep, {"id": deep}),
                (deep, {"receiver": self.user, "type": "JSON_MSG"}),
                (deep, {"receiver": self.user, "path": "order.express", "value": "true"}),
                (deep, {"receiver": self.user, "path": "order.lines.0.sku", "value": "TX 200"}),
                (keyed, {"receiver": self.user, "type": "STRING_MSG", "since": "1h"})]:
            with self.subTest(**fields):
                self.button("Clear").click()
                self.wait_for(lambda: self.route() == "#/messages", "an empty search")
                self.fill(**fields)
                self.button("Search").click()
                self.wait_for(lambda: [row[0] for row in self.rows()] == [wanted], f"{fields}")

    def test_a_search_can_be_sent_to_somebody_and_gone_back_to(self):
        older, newer = insert(self.user), insert(self.user, '{"order": 7}', "JSON_MSG")
        self.open_console(f"#/messages?receiver={self.user}&type=JSON_MSG")
        self.wait_for(lambda: [row[0] for row in self.rows()] == [newer], "the search of the link")
        self.assertEqual(self.find("#type").get_property("value"), "JSON_MSG")
        self.find("#type").clear()
        self.find("#type").send_keys(Keys.ENTER)
        self.wait_for(lambda: [row[0] for row in self.rows()] == [newer, older], "both")
        self.button(older).click()
        self.wait_title(f"Message {older}")
        self.assertEqual(self.focused().tag_name, "h1")
        self.driver.back()
        self.wait_for(lambda: [row[0] for row in self.rows()] == [newer, older], "both, after Back")
        self.driver.back()
        self.wait_for(lambda: [row[0] for row in self.rows()] == [newer], "the search of the link, after Back")
        self.assertEqual(self.find("#type").get_property("value"), "JSON_MSG")
        self.driver.forward()
        self.wait_for(lambda: [row[0] for row in self.rows()] == [newer, older], "both, after Forward")

    def test_pages_of_a_search_join(self):
        ids = [row[0] for row in psql(
            "insert into belfry.message_log (receiver, type, data) select :'v1', 'STRING_MSG', '\"x\"'"
            " from generate_series(1, 25) returning id;", self.user)]
        self.open_console(f"#/messages?receiver={self.user}&limit=10")
        found = []
        for _ in range(3):
            expected = sorted(ids, key=int, reverse=True)[len(found):len(found) + 10]
            self.wait_for(lambda wanted=expected: [row[0] for row in self.rows()] == wanted, f"from {len(found)} on")
            found += [row[0] for row in self.rows()]
            if len(found) < 25:
                self.button("Look further back").click()
        self.assertEqual(found, sorted(ids, key=int, reverse=True))
        self.button("Newest").click()
        self.wait_for(lambda: len(self.rows()) == 10 and self.rows()[0][0] == found[0], "the newest again")

    def test_what_is_wrong_in_a_search_is_said_and_nothing_asked(self):
        self.open_console("#/messages")
        for fields, sentence in [({"since": "yesterday"}, "is no time"), ({"id": "x"}, "An id is a number."),
                                 ({"value": "7"}, "Where in data should that stand?")]:
            self.fill(since="", id="", value="")
            self.fill(**fields)
            self.button("Search").click()
            self.wait_text(sentence)
            self.assertEqual(self.focused().get_attribute("aria-invalid"), "true")
            self.assertEqual(self.route(), "#/messages")

    def test_a_message_that_is_not_there_is_said_so(self):
        self.open_console("#/messages/999999999999")
        self.wait_text("There is no message 999999999999")


if __name__ == "__main__":
    unittest.main()
