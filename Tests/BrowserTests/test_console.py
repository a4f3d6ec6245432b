"""The operators' console with real clicks: what an operator finds, and what acts come to, by the database."""

import subprocess
import unittest
import uuid

from selenium.webdriver.common.keys import Keys

from browser import JWT_URL, PSQL_URL, RESTART_COMMAND, broadcast, insert, psql, status_of
from console_page import HOSTILE, ConsoleTestCase, expire, park, statuses, token


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
        self.assertNotIn(other, self.text())
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


class ParkedTests(ConsoleTestCase):
    def setUp(self):
        super().setUp()
        psql("select count(*) from (select belfry.cancel(message_id) from belfry.parked) as gone;")
        self.reason = f"the client gave it back 20 times, {self.user}"

    def test_a_parked_group_is_mended(self):
        ids = park(self.user, self.reason, 3)
        others = park(self.user, "another reason", 2)
        self.open_console("#/parked")
        self.wait_text("5 messages in 2 groups")
        self.button(f"Replay group JSON_MSG: {self.reason}").click()
        self.wait_dialog("3 messages go back to the outbox and are delivered.")
        self.assertEqual(statuses(ids), ["parked"] * 3)
        self.confirm("Replay 3 messages", "3 messages were replayed.")
        self.assertEqual(statuses(ids), ["pending"] * 3)
        self.assertEqual(statuses(others), ["parked"] * 2)
        self.wait_text("2 messages in 1 group")
        self.wait_gone(self.reason)
        # They are on their way: the user's own page gets them.
        self.new_tab()
        self.sign_in()
        self.wait_connected()
        for message in ids:
            self.notification(message)

    def test_one_of_a_group_is_replayed_and_one_cancelled(self):
        first, second, third = park(self.user, self.reason, 3)
        self.open_console("#/parked")
        self.button(self.reason).click()
        self.wait_title("Parked group")
        self.wait_for(lambda: [row[0] for row in self.rows()] == [third, second, first], "the messages of the group")
        self.button(f"Replay {first}").click()
        self.confirm("Replay 1 message", "It was queued again.")
        self.wait_for(lambda: [row[0] for row in self.rows()] == [third, second], "the others")
        self.button(f"Cancel {second}").click()
        self.confirm("Cancel 1 message", f"Message {second} is cancelled.")
        self.wait_for(lambda: [row[0] for row in self.rows()] == [third], "the last one")
        self.assertEqual(statuses([first, second, third]), ["pending", "cancelled", "parked"])

    def test_all_are_cancelled_in_batches_with_progress(self):
        ids = park(self.user, self.reason, 1300)
        self.open_console("#/parked")
        self.wait_text("1,300 messages in 1 group")
        self.button("Cancel all").click()
        self.wait_dialog("1,300 messages are delivered to nobody.")
        self.confirm("Cancel 1,300 messages", "1,300 messages were cancelled.")
        self.assertEqual(set(statuses(ids)), {"cancelled"})
        self.wait_text("Nothing is parked.")

    def test_what_another_transaction_holds_is_left_and_said(self):
        held, free = park(self.user, self.reason, 2)
        # Its rows are locked for some time, as an application's transaction would.
        script = f"begin; select from belfry.message_log where id = {held} for update; select pg_sleep(8); rollback;"
        with subprocess.Popen(["psql", PSQL_URL, "-X", "-q", "-c", script], stdout=subprocess.DEVNULL) as holder:
            self.wait_for(lambda: psql("select count(*) from pg_stat_activity where wait_event = 'PgSleep';")
                          != [["0"]], "the other transaction")
            self.open_console("#/parked")
            self.button("Replay all").click()
            self.confirm("Replay 2 messages", "1 message was replayed.")
            self.assertEqual(statuses([held, free]), ["parked", "pending"])
            self.wait_text("another transaction holds")
            holder.wait(timeout=30)


class JobTests(ConsoleTestCase):
    def test_a_job_is_made_after_a_dry_run(self):
        expire(self.user, 30)
        self.open_console(f"#/jobs/new?receiver={self.user}&status=expired")
        self.button("Show what it would do").click()
        self.wait_text("It would deliver 30 messages again")
        self.assertEqual(psql("select count(*) from belfry.replay_job where receiver = :'v1';", self.user),
                         [["0"]], "looking makes no job")
        self.button("Replay 30 messages").click()
        self.wait_text("Done: 30 messages were queued again.")
        self.assertEqual(psql("select count(*) from belfry.outbox where receiver = :'v1';", self.user), [["30"]])
        self.button("All jobs").click()
        self.wait_for(lambda: any(self.user in " ".join(row) and "done" in row for row in self.rows()), "the job")

    def test_what_is_changed_after_the_dry_run_is_looked_at_again(self):
        expire(self.user, 2)
        self.open_console(f"#/jobs/new?receiver={self.user}&status=expired")
        self.button("Show what it would do").click()
        self.button("Replay 2 messages")
        self.find("#type").send_keys("JSON_MSG")
        self.assertNotIn("Replay 2 messages", self.buttons())
        self.button("Show what it would do").click()
        self.wait_text("Nothing meets that")

    def test_a_job_of_nothing_in_particular_is_not_made(self):
        self.open_console("#/jobs/new")
        self.button("Show what it would do").click()
        self.wait_text("Say what it is of")
        self.assertEqual(self.focused().get_attribute("id"), "receiver")

    @unittest.skipIf(RESTART_COMMAND == "", "BELFRY_RESTART_COMMAND names no command that restarts the server")
    def test_a_job_is_paused_and_goes_on_after_a_restart_of_the_relay(self):
        expire(self.user, 400)
        self.open_console(f"#/jobs/new?receiver={self.user}&status=expired&rate=40")
        self.button("Show what it would do").click()
        self.button("Replay 400 messages").click()
        self.wait_for(lambda: self.queued() > 0, "the job at work")
        self.button("Pause").click()
        self.wait_text("is paused.")
        self.wait_text("It goes on where it stopped.")
        number = self.route().rsplit("/", 1)[1]
        paused = psql("select state, queued from belfry.replay_job where id = :'v1';", number)[0]
        self.assertEqual(paused[0], "paused")
        self.assertLess(int(paused[1]), 400)
        subprocess.run(RESTART_COMMAND, shell=True, check=True, timeout=180)
        self.wait_live()
        self.assertEqual(psql("select state, queued from belfry.replay_job where id = :'v1';", number)[0], paused)
        self.wait_for(lambda: not self.find("#banner").is_displayed(), "no banner any more")
        self.button("Go on").click()
        self.wait_text("goes on.")
        self.wait_text("Done: 400 messages were queued again.")
        self.assertEqual(psql("select count(*), count(distinct message_id) from belfry.outbox where receiver = :'v1';",
                              self.user), [["400", "400"]])

    def queued(self):
        rows = self.find_all("#page .facts > div")
        found = next((row.text.split("\n")[-1] for row in rows if row.text.startswith("Queued")), "0")
        return int(found.replace(",", ""))


class UserTests(ConsoleTestCase):
    def test_the_sessions_of_a_user_are_seen_and_ended(self):
        message = insert(self.user)
        self.sign_in()
        self.notification(message)
        page = self.driver.current_window_handle
        self.new_tab()
        self.open_console(f"#/users/{self.user}")
        self.wait_text("1 session")
        self.wait_for(lambda: self.rows() and "1" in self.rows()[0], "its unacknowledged message")
        self.assertIn("websocket", self.rows()[0][2])
        self.button("Disconnect…").click()
        self.wait_dialog(f"1 session of {self.user} end")
        self.confirm("Disconnect 1 session", f"1 session of {self.user} ended, 0 tokens refused.")
        self.driver.switch_to.window(page)
        self.wait_for(lambda: self.find("#banner").is_displayed() or self.state() == "Connected",
                      "the user's page noticing, or being back already")
        self.assertEqual(psql("select details->>'ended' from belfry.audit where act = 'disconnect'"
                              " order by id desc limit 1;"), [["1"]])

    def test_a_user_without_a_session(self):
        insert(self.user)
        self.open_console("#/users")
        self.fill(**{"user-id": self.user})
        self.press(Keys.ENTER)
        self.wait_title(self.user)
        self.wait_text(f"{self.user} is not connected. 1 message wait")
        self.button("Disconnect…").click()
        self.wait_dialog("has no session that could be ended")
        self.assertEqual(self.buttons("dialog[open]"), ["Close"])

    def test_who_is_subscribed_to_a_topic(self):
        topic = f"topic-{self.user}"
        self.sign_in()
        self.wait_connected()
        self.find("#topic").send_keys(topic, Keys.ENTER)
        self.new_tab()
        self.open_console(f"#/topics/{topic}")
        self.wait_for(lambda: [row[0] for row in self.rows()] == [self.user], "the one that is subscribed")


class TypeTests(ConsoleTestCase):
    def test_a_schema_is_written_checked_and_saved(self):
        name = f"TEST_{uuid.uuid4().hex[:8]}"
        self.open_console("#/types")
        self.fill(**{"new-type": name})
        self.button("Write its schema").click()
        self.wait_title(name)
        self.fill(schema='{"type": "object", "required": ["order"]}', sample='{"ordre": 7}')
        self.wait_text("The sample is refused:")
        self.wait_text("order")
        self.fill(sample='{"order": 7}')
        self.wait_text("The schema is good, and the sample meets it.")
        self.fill(description="An order left the house.")
        self.button("Save…").click()
        self.confirm(f"Save {name}", f"{name} is saved.")
        self.assertEqual(psql("select schema->>'type', description from belfry.notification_type where name = :'v1';",
                              name), [["object", "An order left the house."]])
        self.fill(schema='{"type": "objekt"}')
        self.wait_text("The schema:")
        self.button("Save…").click()
        self.wait_dialog("It can't be saved.")
        self.assertEqual(self.buttons("dialog[open]"), ["Close"])

    def test_a_built_in_type_is_not_changed(self):
        self.open_console("#/types/STRING_MSG")
        self.wait_text("Belfry's own type")
        self.assertEqual(self.find("#schema").get_attribute("readonly"), "true")
        self.assertNotIn("Save…", self.buttons())


class RightsTests(ConsoleTestCase):
    def test_who_may_only_look_sees_no_acts(self):
        ids = park(self.user, "for a look only", 2)
        self.open_as("view", "#/parked")
        self.assertEqual(self.find("#who-right").text, "view only")
        for route, seen in [("#/parked", "for a look only"), (f"#/messages/{ids[0]}", "Parked"),
                            (f"#/users/{self.user}", "is not connected"), ("#/jobs", "job"), ("#/jobs/new", "look"),
                            ("#/types", "STRING_MSG"), ("#/types/JSON_MSG", "Schema"), ("#/overview", "Sessions")]:
            with self.subTest(route):
                self.go(route)
                self.wait_text(seen)
                acts = {name for name in self.buttons() if name.split(" ")[0].rstrip("…") in (
                    "Replay", "Cancel", "Disconnect", "Pause", "Go", "Save", "Write")}
                self.assertEqual(acts, set())
        self.go("#/parked")
        self.wait_text("You may look, not act")
        refused = self.driver.execute_async_script("""
            const [token, done] = arguments;
            fetch("/api/v1/operator/parked/cancel", { method: "POST", body: '{"all":true}', headers: {
                "Content-Type": "application/json", Authorization: `Bearer ${token}` } }).then((r) => done(r.status));
            """, self.driver.execute_script("return sessionStorage.getItem('belfry.console')"))
        self.assertEqual(refused, 403)
        self.assertEqual(statuses(ids), ["parked"] * 2)

    def test_who_may_act_sees_acts_there_too(self):
        park(self.user, "for an act")
        self.open_as(True, "#/parked")
        self.button("Replay all")

    def test_who_is_no_operator_is_told_so_and_sees_nothing(self):
        self.driver.get(f"{JWT_URL}/console#/parked")
        self.wait_for(lambda: self.find("#token").is_displayed(), "the sign-in form")
        self.find("#token").send_keys(token(self.user))
        self.find("#sign-in-form button").click()
        self.wait_for(lambda: "operator" in self.find("#sign-in-error").text, "the refusal")
        self.assertFalse(self.find("#frame").is_displayed())
        self.assertIsNone(self.driver.execute_script("return sessionStorage.getItem('belfry.console')"))

    def test_a_token_stays_in_the_tab_and_signing_out_forgets_it(self):
        self.open_console("#/jobs")
        self.driver.refresh()
        self.wait_live()
        self.assertEqual(self.driver.execute_script("return Object.values(localStorage).join()")
                         .find(self.operator), -1)
        self.find("#sign-out").click()
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form")
        self.driver.refresh()
        self.wait_for(lambda: self.find("#user").is_displayed(), "the sign-in form after a reload")
        self.assertEqual(self.route(), "#/jobs", "the next token opens the same page")


class HostileTextTests(ConsoleTestCase):
    def test_what_others_wrote_is_shown_as_text_everywhere(self):
        user = f"{self.user} {HOSTILE}"
        data = '{"' + HOSTILE.replace("\\", "").replace('"', '\\"') + '": "' + HOSTILE.replace('"', '\\"') + '"}'
        message = insert(user, data, "JSON_MSG")
        psql("update belfry.message_log set headers = jsonb_build_object('x-text', :'v2'::text) where id = :'v1';",
             message, "<b>bold</b>")
        park(user, HOSTILE)
        self.open_console(f"#/messages/{message}")
        shown = [f"#/messages/{message}", "#/parked", "#/messages?status=parked", "#/audit", "#/overview", "#/types"]
        routes = shown + [self.driver.execute_script(
            "return '#/users/' + encodeURIComponent(arguments[0])", user), self.driver.execute_script(
            "return '#/parked/group?' + new URLSearchParams({ reason: arguments[0], type: 'JSON_MSG' })", HOSTILE)]
        for route in routes:
            with self.subTest(route):
                self.go(route)
                self.wait_for(lambda: self.find_all("#page .body > *") and not self.find_all("#page .loading"),
                              "the page")
                self.assertEqual(self.find_all("#page img, #page script, #page b b"), [])
                self.assertNotIn(self.driver.title, ("1", "2"))
        self.go(routes[0])
        self.wait_text("<script>document.title=2</script>")
        self.assertIn("<b>bold</b>", self.text())
        self.go("#/parked")
        self.wait_text("<img src=x onerror=")
        self.assert_console_clean()

    def test_an_address_is_no_way_in(self):
        self.open_console("#/messages/%3Cimg%20src=x%20onerror=alert(1)%3E")
        self.wait_text("is no id")
        for route in ("#/users/%E0%A4%A", "#/no/such/page", "#/messages?receiver=%FF&before=x", "#/__proto__"):
            with self.subTest(route):
                self.go(route)
                self.wait_for(lambda: self.title() != "", "a page")
        self.assertEqual(self.find_all("#page img"), [])


class ConnectionTests(ConsoleTestCase):
    @unittest.skipIf(RESTART_COMMAND == "", "BELFRY_RESTART_COMMAND names no command that restarts the server")
    def test_a_restart_of_the_server_is_said_and_survived(self):
        self.open_console("#/overview")
        self.wait_text("PostgreSQL")
        with subprocess.Popen(RESTART_COMMAND, shell=True) as restart:
            self.wait_for(lambda: self.find("#banner").is_displayed(), "the banner")
            self.assertIn("What is shown is not live.", self.find("#banner").text)
            self.wait_for(lambda: "Trying again in" in self.find("#countdown").text, "the time until the next try")
            self.assertIn("PostgreSQL", self.text(), "what was shown stays")
            self.assertIn("stale", self.find("#main").get_attribute("class"))
            self.assertEqual(restart.wait(timeout=180), 0)
        self.wait_live()
        self.assertNotIn("stale", self.find("#main").get_attribute("class"))
        self.wait_for(lambda: not self.find("#banner").is_displayed(), "no banner any more")


if __name__ == "__main__":
    unittest.main()
