"""The bells of a user with two devices of three tabs each: whatever is clicked, they agree, and with PostgreSQL."""

import pathlib
import random
import unittest

from bell_page import BellTestCase
from browser import new_driver, psql

SCRIPT = (pathlib.Path(__file__).parent / "random_clicks.js").read_text(encoding="utf-8")
ROUNDS = 8
CLICKS_OF_A_TAB_IN_A_ROUND = 12


class DevicesTests(BellTestCase):
    def setUp(self):
        super().setUp()
        other = new_driver(False)
        self.addCleanup(other.quit)
        self.tabs = []
        for driver in (self.driver, other):
            with self.on(driver):
                for _ in range(3):
                    handle = self.new_tab()
                    self.open_connected(SCRIPT)
                    self.tabs.append((driver, handle))

    def each_tab(self):
        for driver, handle in self.tabs:
            with self.on(driver):
                driver.switch_to.window(handle)
                yield

    def test_counts_and_lists_agree_after_many_clicks_with_connections_cut(self):
        chance = random.Random(4711)
        for number in range(ROUNDS):
            psql("insert into belfry.message_log (receiver, type, data)"
                 " select :'v1', 'STRING_MSG', to_jsonb(:'v2' || '-' || n) from generate_series(1, 12) n;",
                 self.user, number)
            for _ in self.each_tab():
                self.driver.execute_script(
                    "window.clicking = click(...arguments)", chance.randrange(1, 2**31 - 1), CLICKS_OF_A_TAB_IN_A_ROUND)
            clicks = [self.driver.execute_async_script("clicking.then(arguments[0])") for _ in self.each_tab()]
            self.assertEqual(clicks, [CLICKS_OF_A_TAB_IN_A_ROUND] * len(self.tabs))
        psql("insert into belfry.message_log (receiver, type, data)"
             " select :'v1', 'STRING_MSG', to_jsonb('last ' || n) from generate_series(1, 3) n;", self.user)
        for _ in self.each_tab():
            self.wait_state("connected")
            self.run_js("bell.open(); root.querySelector('#tab-all').click();")
        for _ in self.each_tab():
            try:
                self.wait_for(self.agrees, "the bell agreeing with PostgreSQL")
            except AssertionError:
                self.assertEqual((self.run_js("return bell.counts"), self.listed()),
                                 (self.stored_counts(), self.stored_list()))
            self.wait_for(lambda: self.banner() == "", "nothing more to be said")
        self.assertGreater(self.stored_counts()["unviewed"], 0)
        self.assertGreater(sum(self.run_js("return sockets.length") for _ in self.each_tab()), 4, "connections cut")

    def agrees(self):
        self.run_js("const box = root.querySelector('.scroll'); box.scrollTop = box.scrollHeight;")
        return self.run_js("return bell.counts") == self.stored_counts() and self.listed() == self.stored_list()

    def listed(self):
        return [[item["id"], "f" if item["isUnviewed"] else "t"] for item in self.items()]

    def stored_list(self):
        return psql("select id, viewed_at is not null from belfry.history(:'v1', \"limit\" => 500);", self.user)


if __name__ == "__main__":
    unittest.main()
