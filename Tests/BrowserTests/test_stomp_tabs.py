"""All tabs of a browser as one session of a real server's: what each is shown, and what happens to the leading one."""

import unittest

from browser import broadcast, insert
from tabs import ScriptError, TabsTestCase


class TabsTests(TabsTestCase):
    def test_each_tab_has_every_message_once_and_one_acknowledgement_is_enough(self):
        tabs = self.open_tabs(3)
        first, second = insert(self.user), insert(self.user)
        self.wait_shown(tabs, first, second)
        follower = next(tab for tab in tabs if not tab.is_leading)
        follower.run("await tab.messages.get(values[0]).ack(true);", first)
        self.wait_status(first)
        for tab in tabs:
            self.assertEqual(tab.run("return [...tab.messages.values()].map((one) => one.acknowledged);"),
                             [True, False])
        self.wait_status(second, "pending")
        self.assertEqual(self.sessions(), 1)

    def test_a_tab_that_comes_later_gets_what_nobody_has_acknowledged(self):
        tabs = self.open_tabs(2)
        ids = [insert(self.user) for _ in range(4)]
        self.wait_shown(tabs, *ids)
        tabs[1].run("await tab.messages.get(values[0]).ack(true);", ids[1])
        late = self.open_tabs(1)[0]
        self.wait_shown([late], ids[0], ids[2], ids[3])
        late.run("await tab.messages.get(values[0]).ack(true);", ids[2])
        self.wait_status(ids[2])
        live = insert(self.user)
        self.wait_shown(tabs, *ids, live)
        self.wait_shown([late], ids[0], ids[2], ids[3], live)
        self.assertEqual(self.sessions(), 1)

if __name__ == "__main__":
    unittest.main()
