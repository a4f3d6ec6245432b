"""What operators do in the console with parked messages, jobs, sessions and types, by the database."""

import subprocess
import unittest
import uuid

from selenium.webdriver.common.keys import Keys

from browser import JWT_URL, PSQL_URL, RESTART_COMMAND, insert, psql
from console_page import ConsoleTestCase, expire, park, statuses, token


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

    def test_an_act_in_batches_is_stopped_between_them(self):
        ids = park(self.user, self.reason, 1700)
        self.open_console("#/parked")
        self.wait_text("1,700 messages in 1 group")
        self.slow_down(1500)
        self.addCleanup(self.slow_down, 0)
        self.button("Cancel all").click()
        self.button("Cancel 1,700 messages", "dialog[open]").click()
        self.wait_dialog("500 of 1,700")
        self.button("Stop", "dialog[open]").click()
        self.wait_dialog("Stopped:")
        left = statuses(ids).count("parked")
        self.assertIn(left, (1200, 700), "it has stopped after a batch")
        self.assertIn(f"Stopped: {left:,} messages are left.", self.dialog())

    def slow_down(self, milliseconds):
        """Each answer takes so much longer."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1})

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

    def test_a_token_is_refused_with_its_session(self):
        stolen = token(self.user)
        self.sign_in(stolen, JWT_URL)
        self.wait_connected()
        page = self.driver.current_window_handle
        self.new_tab()
        self.open_as(True, f"#/users/{self.user}")
        self.wait_text("1 session")
        self.button("Disconnect…").click()
        self.wait_dialog("Their clients may connect again at once.")
        self.find("#refuse").click()
        self.wait_dialog("Their tokens are refused.")
        self.confirm("Disconnect 1 session", f"1 session of {self.user} ended, 1 token refused.")
        self.driver.switch_to.window(page)
        self.wait_for(lambda: self.find("#sign-in-error").is_displayed(), "that the token is refused")

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


if __name__ == "__main__":
    unittest.main()
