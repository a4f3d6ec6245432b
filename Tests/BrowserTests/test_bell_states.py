"""What the bell says and does when something is wrong, and what a page can make of it."""

import subprocess
import unittest

from bell_page import BellTestCase, notice
from browser import JWT_URL, PSQL_URL, RESTART_COMMAND, WAIT_SECONDS, insert, psql


class ConnectionTests(BellTestCase):
    @unittest.skipUnless(RESTART_COMMAND, "BELFRY_RESTART_COMMAND names no way to restart the server")
    def test_a_restart_of_the_server_is_told_and_leaves_no_gap(self):
        kept, deleted = insert(self.user, '"Kept"'), insert(self.user, '"Deleted"')
        self.open_connected()
        self.wait_counts(2, 2)
        restart = subprocess.Popen(RESTART_COMMAND, shell=True)
        try:
            self.wait_state("reconnecting")
            self.wait_js("!root.querySelector('.lamp').hidden", "the lamp on the bell")
            self.open_list()
            self.wait_ids(deleted, kept)
            self.wait_for(lambda: "Trying again in" in self.banner(), "the countdown")
            self.assertIn("Try now", self.banner())
            self.screenshot("reconnecting")
            self.set_offline(True)
            self.wait_for(lambda: self.banner() == "You are offline.", "that it is offline")
            self.screenshot("offline")
            self.set_offline(False)
            # What is changed now is done when the connection is back.
            self.control(kept, "Mark as read").click()
            self.assertEqual(self.run_js("return bell.counts"), {"unseen": 0, "unviewed": 1})
        finally:
            self.set_offline(False)
            self.assertEqual(restart.wait(timeout=120), 0)
        psql("select belfry.delete_for(:'v1', ids => array[:'v2'::bigint]);", self.user, deleted)
        missed = insert(self.user, '"Missed"')
        self.wait_state("connected")
        self.wait_ids(missed, kept)
        self.wait_counts(0, 1)
        self.wait_unviewed(True, False)
        self.assertEqual(self.banner(), "")
        self.assertTrue(self.run_js("return root.querySelector('.lamp').hidden"))
        self.assertEqual([event["state"] for event in self.events("state")],
                         ["connecting", "connected", "reconnecting", "connected"])

    def set_offline(self, is_offline):
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})

    @unittest.skipUnless(JWT_URL, "BELFRY_JWT_URL names no server with real tokens")
    def test_a_refused_token_is_told_and_another_is_taken(self):
        self.open_page(url=JWT_URL, token="no-token")
        self.wait_state("refused")
        self.assertEqual(self.shadow(".bell").accessible_name,
                         "Notifications. You are not signed in here any more.")
        self.open_list()
        self.assertIn("You are not signed in here any more.", self.banner())
        self.screenshot("refused")
        self.assertEqual([event["state"] for event in self.events("state")][-1], "refused")
        self.run_js("window.asked = 0; bell.tokenProvider = () => { asked++; return 'neither'; };")
        self.wait_js("asked === 1 && bell.state === 'refused'", "the other token being refused")
        self.open_list()
        self.shadow(".banner button").click()
        self.wait_js("asked === 2", "the provider being asked again")


class RefusalTests(BellTestCase):
    def test_what_the_server_refuses_is_taken_back_and_told(self):
        message, other = insert(self.user, '"Held"'), insert(self.user)
        self.open_connected()
        self.open_list()
        self.wait_counts(0, 2)
        # Another transaction of the user's: changes wait two seconds for it, then they fail.
        with subprocess.Popen(["psql", PSQL_URL, "-X", "-q"], stdin=subprocess.PIPE, text=True) as holder:
            holder.stdin.write(f"begin; select 1 from belfry.inbox where receiver = '{self.user}' for update;\n")
            holder.stdin.flush()
            self.wait_for(lambda: psql("select 1 from pg_locks l join pg_class c on c.oid = l.relation"
                                       " where c.relname = 'inbox' and l.mode = 'RowShareLock';"), "the lock")
            self.control(message, "Delete").click()
            self.wait_ids(other)
            self.assertEqual(self.run_js("return bell.counts.unviewed"), 1)
            self.wait_for(lambda: self.banner().startswith("That could not be done: "), "why it was not done")
            self.wait_ids(other, message)
            self.assertEqual(self.run_js("return bell.counts.unviewed"), 2)
            self.assertEqual(self.shadow(".banner").get_attribute("role"), "alert")
            self.screenshot("refusal")
            holder.stdin.write("rollback;\n\\q\n")
            holder.stdin.flush()
        self.assertEqual(self.run_js("return bell.state"), "connected")
        self.control(message, "Delete").click()
        self.wait_ids(other)
        self.wait_counts(0, 1)

    def test_a_history_that_cannot_be_read_can_be_asked_for_again(self):
        message = insert(self.user)
        self.open_connected("""
            import("/stomp.js").then(({ StompClient, StompError }) => {
                const client = new StompClient({ url: "/ws", token: bell.token });
                const { history } = client;
                window.fails = true;
                const failure = () => Promise.reject(new StompError("unavailable", "The database is away."));
                client.history = (page) => fails ? failure() : history.call(client, page);
                client.connect();
                bell.client = client;
            });""")
        self.wait_for(lambda: self.run_js("return bell.client?.state") == "connected", "the page's client")
        self.open_list()
        self.wait_js("root.querySelector('.scroll').innerText.includes('could not be loaded')", "that it failed")
        self.driver.execute_script("fails = false")
        self.shadow(".retry-read").click()
        self.wait_ids(message)
        self.wait_counts(0, 1)

    def test_where_no_history_is_kept_the_list_is_what_came(self):
        lines = psql("select pg_get_indexdef('belfry.message_log_history'::regclass);")
        definition = "\n".join(line for line, in lines)
        self.addCleanup(psql, definition + ";")
        psql("drop index belfry.message_log_history;")
        insert(self.user, '"Before"')
        self.open_connected()
        self.open_list()
        self.wait_js("root.querySelector('.scroll').innerText.includes('not kept here')", "that no history is kept")
        came = insert(self.user, '"Came"')
        self.wait_js("root.querySelector(`.item[data-id='${arguments[0]}']`) !== null", "what came", came)
        self.assertEqual(self.run_js("return bell.state"), "connected")
        self.screenshot("not-kept")
        self.assertFalse(self.control(came, "Snooze").is_displayed())
        self.click_item(came)
        self.wait_for(lambda: not next(item for item in self.items() if item["id"] == came)["isUnviewed"], "it viewed")
        self.control(came, "Delete").click()
        self.wait_for(lambda: came not in self.ids(), "its end")
        self.assertEqual(self.banner(), "")


class PageTests(BellTestCase):
    """What a page can set."""

    def test_renderers_say_what_is_shown(self):
        text = insert(self.user, '{"order": 7}', "JSON_MSG")
        broken = insert(self.user, '{"order": 8, "lines": [1, 2]}', "BELL_TEST")
        self.open_connected("""
            bell.render = {
                JSON_MSG: ({ order }, { id }) => `Order ${order} by message ${id}`,
                BELL_TEST: () => { throw new Error("oops"); },
            };
            window.addEventListener("error", (event) => event.preventDefault());""")
        self.open_list()
        self.wait_ids(broken, text)
        shown = {item["id"]: (item["title"], item["text"]) for item in self.items()}
        self.assertEqual(shown, {text: (f"Order 7 by message {text}", None),
                                 broken: ("Bell test", "lines: [1,2] · order: 8")})

    def test_a_node_of_the_pages_is_styled_by_the_page(self):
        insert(self.user, '{"order": 7}', "BELL_TEST")
        self.open_connected("""
            bell.render = { BELL_TEST({ order }) {
                const box = document.createElement("p");
                box.className = "error";
                box.textContent = `Order ${order}`;
                return box;
            } };""")
        self.open_list()
        self.wait_counts(0, 1)
        box = self.wait_for(lambda: self.find("belfry-bell > .error"), "the page's node")
        self.assertEqual(box.text, "Order 7")
        self.assertNotEqual(box.value_of_css_property("background-color"), "rgba(0, 0, 0, 0)")
        self.assertEqual(self.shadow(".open").accessible_name, "Bell test")
        box.click()
        self.wait_counts(0, 0)
        self.control(self.ids()[0], "Delete").click()
        self.wait_for(lambda: self.find_all("belfry-bell > .error") == [], "the node's end")

    def test_a_node_that_can_be_nobodys_child_leaves_the_list_as_it_is(self):
        ids = [insert(self.user, notice(kind=kind), "BELL_TEST") for kind in ("document", "body", "bell", "text")]
        self.open_connected("""
            window.reported = [];
            window.addEventListener("error", (event) => {
                reported.push(event.message);
                event.preventDefault();
            });
            bell.render = { BELL_TEST: ({ kind }) =>
                ({ document, body: document.body, bell, text: new Text("Text") })[kind] };""")
        self.open_list()
        self.wait_ids(*reversed(ids))
        self.assertEqual([item["text"] for item in self.items()], [None, "kind: bell", "kind: body", "kind: document"])
        self.assertEqual([item["title"] for item in self.items()], [""] + ["Bell test"] * 3)
        self.assertEqual([node.text for node in self.find_all("belfry-bell > *")], ["Text"])
        self.assertEqual(len(self.driver.execute_script("return reported")), 3)
        self.assertFalse(self.run_js("return document.body.hasAttribute('slot') || bell.hasAttribute('slot')"))

    def test_languages_are_those_of_the_element_or_the_page(self):
        insert(self.user, notice(title="Bestellung 7"), "NOTICE")
        psql("update belfry.message_log set created_at = now() - interval '2 days' where receiver = :'v1';", self.user)
        self.open_connected()
        self.open_list()
        self.wait_counts(0, 1)
        for language, title, time, name in (("de-AT", "Mitteilungen", "vorgestern", "Alle als gelesen markieren"),
                                            ("zh-Hans", "通知", "前天", "全部标为已读"),
                                            ("fr", "Notifications", "2 days ago", "Mark all as read")):
            self.driver.execute_script("document.documentElement.lang = arguments[0]", language)
            self.wait_for(lambda: self.shadow(".title").text == title, f"the title in {language}")
            self.wait_for(lambda: self.shadow("time").text == time, f"the time in {language}")
            self.assertEqual(self.shadow(".mark-all").text, name)
            self.screenshot(f"language-{language}")
        self.run_js("bell.lang = 'de'")
        self.wait_for(lambda: self.shadow(".title").text == "Mitteilungen", "the element's own language")
        self.run_js("""bell.lang = "fr"; bell.texts = { all: "Tout" };
            bell.setAttribute("texts", '{"title": "Avis", "all": "Tous"}');""")
        self.wait_for(lambda: self.shadow(".title").text == "Avis", "the page's own text")
        self.wait_for(lambda: self.shadow("#tab-all").text == "Tout", "the property's text before the attribute's")
        self.assertEqual(self.shadow("time").text, "avant-hier", "times go by the language of own texts")
        self.assert_console_clean()

    def test_a_page_may_subscribe_itself_and_hand_messages_over(self):
        message = insert(self.user)
        self.open_page("""
            bell.setAttribute("manual", "");
            window.shown = [];
            window.ready = import("/stomp.js").then(({ StompClient }) => {
                const client = new StompClient({ url: "/ws", token: bell.token });
                client.subscribe("/user/queue/msg", (message) => {
                    if (bell.receive(message)) shown.push(message);
                    else message.ack();
                }, { ack: "client-individual" });
                client.connect();
                bell.client = client;
            });""")
        self.wait_state("connected")
        self.wait_counts(1, 1)
        later = insert(self.user)
        self.wait_counts(2, 2)
        self.open_list()
        self.wait_ids(later, message)
        self.wait_counts(0, 2)
        self.driver.execute_script("for (const message of shown) message.ack()")
        self.wait_status(message)
        self.wait_status(later)
        self.assertEqual(self.driver.execute_script("return shown.map(({ id }) => id)"), [message, later])

    def test_another_user_begins_anew_and_none_sees_the_others(self):
        mine = insert(self.user)
        theirs = insert(f"{self.user}-2", '"Theirs"')
        self.open_connected()
        self.open_list()
        self.wait_ids(mine)
        self.run_js("bell.token = `${bell.token}-2`")
        self.wait_js("!bell.isOpen && bell.counts.unseen === 1", "the other user's count")
        self.open_list()
        self.wait_ids(theirs)

    def test_an_element_that_is_moved_goes_on_and_one_that_is_removed_leaves(self):
        insert(self.user)
        self.open_connected()
        self.wait_counts(1, 1)
        self.run_js("told.length = 0; document.querySelector('main').append(bell);")
        insert(self.user)
        self.wait_counts(2, 2)
        self.assertEqual(self.events("state"), [])
        self.run_js("bell.remove()")
        self.wait_js("bell.state === 'closed'", "its end")
        self.run_js("document.querySelector('header').append(bell)")
        self.wait_state("connected")
        self.wait_counts(2, 2)

    def test_a_page_may_show_a_list_of_its_own(self):
        self.open_connected("document.addEventListener('belfry-opened', (event) => event.preventDefault());")
        self.click_bell()
        self.assertFalse(self.run_js("return bell.isOpen"))
        self.assertEqual(len(self.events("opened")), 1)


class HostileTests(BellTestCase):
    """The page is given what a stranger wrote."""

    MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title = 'owned'</script>"

    def test_markup_is_text_and_addresses_that_run_are_none(self):
        sent = [
            notice(title=self.MARKUP, text=self.MARKUP, url="javascript:document.title='owned'",
                   icon="javascript:document.title='owned'", severity="<b>",
                   actions=[{"label": self.MARKUP, "url": "java\nscript:document.title='owned'"},
                            {"label": self.MARKUP, "url": "data:text/html,<script>1</script>"}]),
            notice(title="Vb", url="vbscript:1", icon="data:text/html;base64,PHNjcmlwdD4="),
            notice(title="File", url="file:///etc/passwd", icon="blob:x"),
        ]
        for data in sent:
            insert(self.user, data, "BELL_TEST")
        for name in ("__proto__", "constructor", "toString"):
            psql("select belfry.register_type(:'v1', 'true', 'For tests.');", "bell" + name)
            insert(self.user, notice(a=1), "bell" + name)
        self.open_connected("bell.render = { BELL_TEST: (data) => data };")
        self.open_list()
        self.wait_js("root.querySelectorAll('.item').length === 6", "the items")
        self.assertEqual(self.items()[-1]["title"], self.MARKUP)
        self.assertEqual(self.run_js("return root.querySelectorAll('.item :is(script, a, b), .item img').length"), 0)
        for open_control in self.run_js("return [...root.querySelectorAll('.open')]"):
            open_control.click()
        self.wait_counts(0, 0)
        self.assertEqual(self.driver.title, "A shop")
        self.assert_console_clean()

    def test_data_of_wrong_kinds_is_shown_as_what_it_is(self):
        sent = ['{"title": {"a": 1}, "text": [1]}', '{"title": 7, "text": true, "actions": "none", "icon": {}}', '[]',
                'null', '"text"', '17', '"\u200b"', '{"title": "\u200b\u2060\ufeff \u00ad", "text": "Seen"}',
                '{"title": "  ", "text": "Only text"}', '{"actions": [null, 1, {"label": 2}]}',
                '{"title": "T", "actions": [null, 1, {"label": {}}, {"url": "/"}]}', '{"__proto__": {"title": "p"}}']
        for data in sent:
            insert(self.user, data, "BELL_TEST")
        self.open_connected("bell.render = { BELL_TEST: (data) => data };"
                            "window.addEventListener('error', (event) => event.preventDefault());")
        self.open_list()
        self.wait_js("root.querySelectorAll('.item').length === arguments[0]", "the items", len(sent))
        shown = [(item["title"], item["text"]) for item in reversed(self.items())]
        self.assertEqual(shown, [
            ("Bell test", 'text: [1] · title: {"a":1}'), ("7", "true"), ("Bell test", None), ("Bell test", None),
            ("text", None), ("17", None), ("Bell test", None), ("Seen", None), ("Only text", None),
            ("Bell test", 'actions: [null,1,{"label":2}]'),
            ("T", None), ("Bell test", '__proto__: {"title":"p"}')])
        self.assertEqual(self.run_js("return root.querySelectorAll('.action').length"), 0)
        self.assert_console_clean()

    def test_huge_texts_are_cut_and_break_nothing(self):
        # By the program itself: it is more than a command line holds.
        psql("""
            with word as (select repeat('w', 50000) as w),
                action as (select jsonb_build_object('label', w, 'url', '/') as a from word)
            select belfry.notify(:'v1', 'BELL_TEST', jsonb_build_object('title', w, 'text', w, 'url', '/' || w,
                'actions', jsonb_build_array(a, a))) from word, action
            union all select belfry.notify(:'v1', 'STRING_MSG', to_jsonb(w)) from word
            union all select belfry.notify(:'v1', 'JSON_MSG', jsonb_build_object(w, w)) from word;""", self.user)
        insert(self.user, notice(title="\u202eright to left", text="line\n" * 1000), "BELL_TEST")
        self.open_connected("bell.render = { BELL_TEST: (data) => data };")
        for width in (320, 390, 1280):
            self.resize(width)
            if not self.run_js("return bell.isOpen"):
                self.open_list()
            self.wait_js("root.querySelectorAll('.item').length === 4", "the items")
            self.assert_fits()
            self.screenshot(f"long-{width}")
        self.assertLess(self.run_js("return root.querySelector('.scroll').textContent.length"), 12000)
        self.run_js("for (const open of root.querySelectorAll('button.open')) open.click()")
        self.assert_fits()
        self.assert_console_clean()


if __name__ == "__main__":
    unittest.main()
