"""docs/runbook.md as one reads it who does only what stands there."""
import re, sys, time
from pathlib import Path

RUNBOOK = Path(__file__).resolve().parent.parent.parent / "docs/runbook.md"
SECTION = "## Alice did not get order 7\n"
COMMANDS = ("sql ", "belfry ", "curl ", "systemctl ")
# How long to wait for the order after a command that mends, before the next one is typed.
MENDED_SECONDS = 10


class Runbook:
    """The section, as far as a reader who only does what stands there needs it: the first block, and the points."""

    def __init__(self):
        text = RUNBOOK.read_text(encoding="utf-8")
        self.alias = re.search(r"^alias sql=.*$", text, re.M).group(0)
        section = text.split(SECTION, 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
        introduction, *points = re.split(r"^\d+\. (?=\*\*)", section, flags=re.M)
        self.first = re.search(r"```sh\n(.*?)```", introduction, re.S).group(1)
        self.points = [Point(number, text) for number, text in enumerate(points, 1)]


class Point:
    """`**status**`, then patterns of `why` up to a full stop; then blocks that look, lines of a list that say what to
    do where they were answered by what the line begins with, and commands in the text, that mend."""

    def __init__(self, number, text):
        self.number = number
        head = re.match(r"\*\*`([^`]+)`\*\*((?:,? (?:or )?`[^`]+`)*)", text)
        if not head:
            sys.exit(f"Point {number} of the runbook does not begin with **`status`**.")
        self.status = head.group(1)
        self.whys = re.findall(r"`([^`]+)`", head.group(2))
        self.steps = self.read(text[head.end():])

    @staticmethod
    def read(text):
        """Commands in their order: ("look", command), ("mend", command, what the last answer must hold)."""
        steps, patterns = [], []
        for part in re.split(r"(```sh\n.*?```|^ {3}- .*?(?=^ {3}- |^ {3}```|^ {0,3}[^ \n]|\n\n|\Z))", text,
                             flags=re.S | re.M):
            if part.startswith("```sh"):
                steps.append(("look", re.search(r"```sh\n(.*?)```", part, re.S).group(1), []))
                continue
            line = re.match(r" {3}- ((?:`[^`]+`(?:, | or )?)+):", part)
            patterns = re.findall(r"`([^`]+)`", line.group(1)) if line else []
            for code in re.findall(r"`([^`]+)`", part[line.end():] if line else part):
                code = re.sub(r"\s*\n\s*", " ", code)
                if code.startswith(COMMANDS) and code not in ("belfry status",):
                    steps.append(("mend", code, patterns))
        return steps

    def fits(self, status, why):
        return status == self.status and (
            not self.whys or any(why.startswith(pattern.rstrip("… ")) for pattern in self.whys))


class Reader:
    """An operator who types what the runbook says."""

    def __init__(self, runbook, shell, is_delivered):
        self.runbook, self.shell, self.is_delivered = runbook, shell, is_delivered
        self.printed, self.values = "", {}

    def type(self, command):
        for name in ("ID", "PID"):
            if re.search(rf"\b{name}\b", command):
                command = re.sub(rf"\b{name}\b", self.values[name], command)
        print("    $ " + command.strip().replace("\n", "\n      "))
        answer = self.shell(command)
        print("".join(f"      {line}\n" for line in answer.rstrip().splitlines()[:12]), end="", flush=True)
        self.printed += answer
        row = self.row(answer)
        self.values |= {name.upper(): row[name] for name in ("id", "pid") if name in row}
        return answer

    @staticmethod
    def row(answer):
        """The first row of a table of psql's."""
        lines = answer.splitlines()
        rule = next((i for i, line in enumerate(lines) if re.fullmatch(r"[-+]+", line)), None)
        if rule is None or rule == 0 or rule + 1 >= len(lines) or "|" not in lines[rule + 1]:
            return {}
        names, cells = lines[rule - 1].split("|"), lines[rule + 1].split("|")
        return {name.strip(): cell.strip() for name, cell in zip(names, cells)}

    def work(self):
        """Returns the point that fitted, once it is delivered or there is nothing more to type."""
        answer = self.type(self.runbook.first)
        row = self.row(answer)
        status = row.get("status", "(0 rows)")
        point = next((p for p in self.runbook.points if p.fits(status, row.get("why", ""))), None)
        if not point:
            return None
        for kind, command, patterns in point.steps:
            if kind == "look":
                answer = self.type(command)
            elif not patterns or any(pattern in answer for pattern in patterns):
                self.type(command)
                deadline = time.monotonic() + MENDED_SECONDS
                while not self.is_delivered() and time.monotonic() < deadline:
                    time.sleep(0.05)
            if self.is_delivered():
                break
        return point
