"""The demo page over HTTPS: its socket is encrypted, too, and what it is sent is acknowledged."""

import unittest

from browser import TLS_URL, BrowserTestCase, insert


@unittest.skipUnless(TLS_URL, "BELFRY_TLS_URL names no server with a certificate")
class TLSTests(BrowserTestCase):
    accepts_any_certificate = True

    def test_a_page_over_https_is_served_over_wss(self):
        self.sign_in(url=TLS_URL)
        self.wait_connected()
        self.assertTrue(self.driver.execute_script("return window.isSecureContext && location.protocol === 'https:'"))
        message = insert(self.user, '"Behind a lock"')
        self.acknowledge(message)
        self.wait_outcome(message)
        self.wait_status(message)
        self.assertEqual(self.data_of(message), "Behind a lock")
        # That page of a development server is asked for and not there.
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        self.assertEqual([error for error in errors if "/dev/info" not in error], [])
