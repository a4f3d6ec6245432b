"""The npm package as scripts/pack-js makes it: imported by its name in a page of another origin, and used as its README
says."""

import functools
import http.server
import json
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest

from browser import URL, BrowserTestCase, insert

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What a careful application sends: scripts of its own only, no workers, and of inline scripts the import map.
POLICY = ("default-src 'none'; script-src 'self' 'nonce-map'; connect-src {node} ws:; base-uri 'none'; "
          "require-trusted-types-for 'script'")


class ApplicationServer(http.server.ThreadingHTTPServer):
    """An application's own pages: the package in node_modules, and one page with an import map."""

    def __init__(self, folder, import_map):
        handler = functools.partial(Handler, directory=str(folder))
        super().__init__(("127.0.0.1", 0), handler)
        self.page = f"""<!doctype html><title>An application</title>
            <script type="importmap" nonce="map">{json.dumps(import_map)}</script>"""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        body = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY.format(node=URL))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class PackageTests(BrowserTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="belfry-package-")
        cls.addClassCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        cls.package = root / "node_modules" / "@belfry" / "client"
        subprocess.run([ROOT / "scripts" / "pack-js", cls.package], check=True, capture_output=True, timeout=60)
        cls.manifest = json.loads((cls.package / "package.json").read_text(encoding="utf-8"))
        imports = {
            cls.manifest["name"] + name.removeprefix("."):
                f"/node_modules/{cls.manifest['name']}/{entry['default'].removeprefix('./')}"
            for name, entry in cls.manifest["exports"].items() if isinstance(entry, dict)}
        server = ApplicationServer(root, {"imports": imports})
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.page = f"http://127.0.0.1:{server.server_port}/"

    def run_script(self, script):
        self.driver.get(self.page)
        done = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then(done, (error) => done('failed: ' + error.stack));")
        self.assertNotIn("failed", str(done))
        return done

    def test_the_modules_are_those_that_a_node_serves(self):
        pages = ROOT / "Sources" / "Web" / "Pages"
        modules = [name for name in self.manifest["files"] if name.endswith((".js", ".ts"))]
        self.assertIn("stomp.js", modules)
        for name in modules:
            self.assertEqual((self.package / name).read_bytes(), (pages / name).read_bytes(), name)
        packed = {path.name for path in self.package.iterdir()}
        self.assertEqual(packed, {*self.manifest["files"], "package.json", "README.md", "LICENSE"})

    def test_each_entry_is_imported_by_its_name(self):
        names = [self.manifest["name"] + name.removeprefix(".")
                 for name, entry in self.manifest["exports"].items() if isinstance(entry, dict)]
        for name in names:
            with self.subTest(name=name):
                self.assertNotEqual(self.run_script(f"return Object.keys(await import('{name}'));"), [])
        exported = self.run_script("return Object.keys(await import('@belfry/client'));")
        types = (self.package / "stomp.d.ts").read_text(encoding="utf-8")
        typed = re.findall(r"^export (?:declare )?(?:class|function|const) (\w+)", types, re.MULTILINE)
        self.assertEqual(sorted(exported), sorted(typed))

    def test_the_readme_brings_the_first_message_and_the_history(self):
        blocks = re.findall(r"```js\n(.*?)```", (self.package / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        first, inbox = blocks[:2]
        ids = [insert(self.user), insert(self.user)]
        first = (first.replace("wss://push.example.com", URL.replace("http", "ws"))
                 .replace('"alice"', json.dumps(self.user))
                 .replace('(await fetch("/my-session-token")).text()', json.dumps(self.user)))
        first = re.sub(r'import (\{.*?\}) from "(.*?)";', r'const \1 = await import("\2");', first)
        self.assertNotIn("example", first)
        seen = self.run_script("""
            const lines = [];
            const console = { log: (...values) => lines.push(values) };
            const until = async (count) => {
                while (lines.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
            };
            %s
            await until(2);
            await (async () => { %s })();
            await client.disconnect();
            return lines;""" % (first, inbox))
        self.assertEqual([line[0] for line in seen[:2]], ids)
        self.assertEqual(seen[0][1:], ["STRING_MSG", "Hello"])
        self.assertEqual([seen[-1][0]["unviewed"], seen[-1][0]["unseen"]], [0, 0])
        self.assert_console_clean()


if __name__ == "__main__":
    unittest.main()
