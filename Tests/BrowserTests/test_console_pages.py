"""What the pages of the console show, to whom, and what becomes of them when the server is away."""

import pathlib
import subprocess
import unittest

from selenium.webdriver.common.keys import Keys

from browser import JWT_URL, PAUSE_COMMAND, PSQL_URL, RESTART_COMMAND, URL, insert, psql
from console_page import HOSTILE, JWT_SECRET, ConsoleTestCase, park, statuses, token


class OverviewTests(ConsoleTestCase):
    def test_what_is_wrong_stands_on_top_with_the_way_to_it(self):
        park(self.user, f"on top, {self.user}")
        self.open_console()
        self.wait_title("Overview")
        self.wait_for(lambda: "parked" in self.find("#page .body > :first-child").text, "the problem on top")
        self.assertIn("Warning", self.find("#page .body > :first-child").text)
        self.button("To the parked messages").click()
        self.wait_text(f"on top, {self.user}")

    def test_what_many_processes_have_in_common_is_told_once(self):
        self.addCleanup(psql, "delete from belfry.process where version = 'test';")
        psql("insert into belfry.process (id, kind, host, pid, version, started_at, seen_at)"
             " select gen_random_uuid(), 'node', 'gone-' || i, i, 'test', now() - interval '1 hour',"
             " now() - interval '2 minutes' from generate_series(1, 5) i;")
        self.open_console("#/overview")
        more = self.wait_for(lambda: next((one for one in self.find_all("#page .problem summary")), None), "a summary")
        self.assertEqual(more.text, "3 more like this")
        self.assertEqual(self.text().count("did not say that it ends"), 2)
        more.click()
        self.wait_for(lambda: self.text().count("did not say that it ends") == 5, "all of them")

    def test_the_figures_follow_what_happens(self):
        self.open_console("#/overview")
        before = self.figure("Pending")
        insert(self.user)
        insert(self.user)
        self.wait_for(lambda: self.figure("Pending") == before + 2, "two more that are pending")
        self.sign_in_elsewhere()
        self.wait_for(lambda: self.figure("Sessions") >= 2, "the user's session beside this one")
        self.wait_for(lambda: self.figure("Pending") == before, "what the user has acknowledged gone")

    def test_a_command_is_copied_or_selected(self):
        self.open_console("#/doctor")
        self.wait_text("Looked at")
        copy = self.wait_for(lambda: next(iter(self.find_all("#page .copy-button")), None), "a command")
        copy.click()
        said = self.wait_for(lambda: self.find("#announcer").get_attribute("textContent"), "the outcome")
        self.assertIn(said, ("Copied.", "Selected: copy it with Ctrl+C."))

    def figure(self, name):
        """A number of the overview, once it is there."""
        def read():
            for figure in self.find_all("#page .figure"):
                lines = figure.text.split("\n")
                if lines[0] == name:
                    return lines[1].replace(",", "")
            return None
        return int(self.wait_for(read, f"the figure {name}"))

    def sign_in_elsewhere(self):
        """The user's own page, which acknowledges all that comes; this one is looked at again then."""
        console = self.driver.current_window_handle
        self.new_tab()
        self.sign_in()
        self.wait_connected()
        self.driver.execute_script("document.getElementById('auto').click()")
        self.driver.switch_to.window(console)


class ProcessTests(ConsoleTestCase):
    def test_what_a_process_runs_with_is_told_without_secrets(self):
        self.open_console("#/processes")
        row = self.wait_for(lambda: next((row for row in self.rows() if row[0].startswith("node")), None), "the node")
        self.assertIn(row[1], ("ready", "degraded"))
        number = next(index for index, one in enumerate(self.rows()) if one == row)
        self.find_all("#page tbody a")[number].click()
        self.wait_text("What it runs with")
        self.wait_text("jwt.secret")
        self.assertNotIn(JWT_SECRET, self.driver.page_source)
        self.fill(filter="listen")
        self.wait_gone("jwt.secret")
        self.assertTrue(self.rows() and all("listen" in row[0].lower() for row in self.rows()), self.rows())


class AuditTests(ConsoleTestCase):
    def test_what_was_done_is_listed_with_who_did_it(self):
        message = insert(self.user)
        self.open_console(f"#/messages/{message}")
        self.button("Cancel…").click()
        self.confirm("Cancel 1 message", "is cancelled.")
        self.go("#/audit")
        row = self.wait_for(lambda: next((row for row in self.rows() if row[1] == self.operator), None), "the act")
        self.assertEqual(row[3], "cancel")
        self.button(message).click()
        self.wait_title(f"Message {message}")

    def test_pages_of_the_list_join(self):
        for _ in range(3):
            psql("select belfry.cancel(:'v1'::bigint);", insert(self.user))
        self.open_console("#/audit?limit=2")
        self.wait_for(lambda: len(self.rows()) == 2, "a page")
        first = [row[4] for row in self.rows()]
        self.button("Older").click()
        self.wait_for(lambda: self.rows() and [row[4] for row in self.rows()] != first, "the next page")
        self.assertIn("before=", self.route())
        self.assertFalse(set(first) & {row[4] for row in self.rows()}, "no act is on both")
        self.button("Newest").click()
        self.wait_for(lambda: [row[4] for row in self.rows()] == first, "the first page again")


class ElementTests(ConsoleTestCase):
    def test_what_is_shown_is_what_should_be_whatever_was_there_before(self):
        self.driver.get(f"{URL}/console")
        script = pathlib.Path(__file__).with_name("random_trees.js").read_text(encoding="utf-8")
        for seed in range(20):
            problem = self.driver.execute_async_script(f"(async function () {{{script}}}).apply(null, arguments);",
                                                       seed, 200)
            self.assertIsNone(problem, f"seed {seed}")


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
            """, self.driver.execute_script("return JSON.parse(sessionStorage.getItem('belfry.console')).token"))
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

    def test_a_login_with_its_password_does_as_well(self):
        self.driver.get(f"{JWT_URL}/console#/parked")
        self.wait_for(lambda: self.find("#token").is_displayed(), "the sign-in form")
        self.find("#password-field summary").click()
        self.find("#login").send_keys("oncall")
        self.find("#passcode").send_keys("correct house", Keys.ENTER)
        self.wait_for(lambda: "wrong" in self.find("#sign-in-error").text, "the refusal")
        self.assertEqual(self.driver.switch_to.active_element.get_attribute("id"), "login")
        self.find("#passcode").clear()
        self.find("#passcode").send_keys("correct horse", Keys.ENTER)
        self.wait_live()
        self.assertEqual(self.find("#who-name").text, "oncall")
        self.assertEqual(self.route(), "#/parked")
        self.driver.refresh()
        self.wait_live()

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
    @unittest.skipIf(PAUSE_COMMAND == "", "BELFRY_PAUSE_COMMAND names no command that has the server hang")
    def test_an_answer_that_does_not_come_marks_what_is_shown_as_old(self):
        self.open_console("#/overview")
        self.wait_text("Installation")
        with subprocess.Popen(PAUSE_COMMAND, shell=True) as paused:
            self.wait_text("The server has not answered for 5 seconds. What is shown is of ")
            self.assert_old("Installation")
            self.assertEqual(paused.wait(timeout=60), 0)
        self.wait_gone("The server has not answered")
        self.assertNotIn("old", self.find("#page .body").get_attribute("class"))

    def test_a_view_that_fails_says_why_and_keeps_what_was_shown(self):
        park(self.user, f"old, {self.user}")
        self.open_console("#/parked")
        self.wait_text(f"old, {self.user}")
        script = "begin; lock table belfry.parked in access exclusive mode; select pg_sleep(10);"
        with subprocess.Popen(["psql", PSQL_URL, "-X", "-q", "-c", script], stdout=subprocess.DEVNULL) as holder:
            self.wait_text("What is shown is of ")
            self.assert_old(f"old, {self.user}")
            self.assertEqual(holder.wait(timeout=60), 0)
        self.wait_gone("What is shown is of ")

    def assert_old(self, text):
        self.assertIn("old", self.find("#page .body").get_attribute("class"))
        self.assertIn(text, self.text())

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
