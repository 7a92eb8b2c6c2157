# SPDX-License-Identifier: GPL-2.0
"""documents.py check|names KERNEL|run NAME: the command blocks of README, CONTRIBUTING and
the guides.

Each literal block has a marker before it, or before the paragraph that leads to it: a
comment of reST (".. ") or of Markdown ("<!-- -->"), of one line:

    zbm-run: NAME [on KERNEL...]  the selftest "documents" runs it, under these kernels
                                  ("release": 6.12; "stock": Debian's newer ones), or each
    zbm-not-run: REASON           it does not

In a block with prompts ("# ", "$ ", "> " for what goes on) all other lines are output. It is
compared; a number other than 0 stands for any. After a command in the background the next one
waits for the output that is shown. Without prompts each line is a command.

check   complain of blocks without marker and of markers without block
names   "NAME yes" or "NAME no" for each block that is run, by whether this kernel is meant, which
        may be one that no marker names
run     do what NAME says in one shell, as typed: each command must succeed, and say what the
        block shows. SIGTERM is Ctrl-c to the command that is running.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
KERNELS = ("release", "stock")
MARKER = re.compile(r" *(?:\.\. (zbm-\S.*)|<!-- (zbm-\S.*?) -->)$")
MEANING = re.compile(r"zbm-(?:run: (?P<name>\w+)(?: on (?P<kernels>.+))?|not-run: (?P<reason>\S.*))$")
PROMPTS = ("# ", "$ ")
# What a shell says after each command, so that output can be told apart
SEAM = "zbm-documents-seam"
# Seconds for what a command in the background is to say
PATIENCE = 60


@dataclass
class Block:
    place: str
    lines: list
    name: str = ""  # "" where it is not run,
    reason: str = ""  # for this reason
    kernels: tuple = ()  # under these kernels only


@dataclass
class Command:
    text: str
    output: list = field(default_factory=list)


def indent(line):
    return len(line) - len(line.lstrip())


def literal(lines, start, margin):
    """The block at start, whose lines are indented by more than margin, and where it ends."""
    end = start
    while end < len(lines) and (not lines[end].strip() or indent(lines[end]) > margin):
        end += 1
    taken = lines[start:end]
    while taken and not taken[-1].strip():
        taken.pop()
    least = min(indent(line) for line in taken if line.strip())
    return [line[least:] for line in taken], end


def follows(lines, at):
    """The next line with text behind at."""
    while at + 1 < len(lines) and not lines[at + 1].strip():
        at += 1
    return at + 1


def begins(lines, at, markdown):
    """(first line, margin) of the literal block that line at leads to or begins, if it does."""
    line = lines[at]
    if markdown:
        apart = at == 0 or not lines[at - 1] or MARKER.match(lines[at - 1])
        return (at, 3) if line.startswith("    ") and apart else None
    after = follows(lines, at)
    if line.endswith("::") and not line.lstrip().startswith(".. ") and after < len(lines):
        return (after, indent(line)) if after > at + 1 and indent(lines[after]) > indent(line) else None
    return None


def parse(text, name):
    """(blocks, complaints) of a document."""
    lines = [line.rstrip() for line in text.splitlines()]
    blocks, wrong, marker, at = [], [], None, 0
    while at < len(lines):
        place = f"{name}:{at + 1}"
        found = MARKER.match(lines[at])
        start = begins(lines, at, name.endswith(".md"))
        if found:
            if marker:
                wrong.append(f"{marker[0]}: a marker without a block")
            # A paragraph may come between it and the block.
            marker, paragraphs = (place, found[1] or found[2]), 0
        elif name.endswith(".md") and lines[at].startswith("```"):
            wrong.append(f"{place}: indent blocks, as everywhere else, instead of fencing them in")
        elif start:
            taken, at = literal(lines, *start)
            block = Block(place, taken)
            wrong += explain(block, marker)
            blocks.append(block)
            marker = None
            continue
        elif marker and lines[at] and not lines[at - 1]:
            paragraphs += 1
            if paragraphs > 1:
                wrong.append(f"{marker[0]}: a marker without a block")
                marker = None
        at += 1
    if marker:
        wrong.append(f"{marker[0]}: a marker without a block")
    return blocks, wrong


def explain(block, marker):
    """What the marker says, into the block; complaints."""
    if not marker:
        return [f"{block.place}: is it run, or why not? A marker is missing: see {__file__}"]
    meaning = MEANING.match(marker[1])
    kernels = tuple((meaning and meaning["kernels"] or "").split())
    if not meaning or not set(kernels) <= set(KERNELS):
        return [f"{marker[0]}: what is '{marker[1]}'?"]
    block.name, block.kernels, block.reason = meaning["name"] or "", kernels, meaning["reason"] or ""
    return []


def documents(top=TOP):
    return sorted(glob.glob(f"{top}/*.md")) + sorted(glob.glob(f"{top}/Documentation/*.rst"))


def load(paths):
    """(blocks, complaints) of all."""
    blocks, wrong = [], []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            of_this, complaints = parse(file.read(), os.path.relpath(path, TOP))
        blocks += of_this
        wrong += complaints
    names = [block.name for block in blocks if block.name]
    wrong += [f"two blocks are called {name}" for name in sorted(set(names)) if names.count(name) > 1]
    return blocks, wrong


def commands(lines):
    """The commands of a block, each with the output that is shown."""
    found, prompts = [], any(line.startswith(PROMPTS) for line in lines)
    for line in lines:
        goes_on = found and found[-1].text.endswith("\\") and not found[-1].output
        if prompts and line.startswith(PROMPTS):
            found.append(Command(line[2:]))
        elif prompts and found and line.startswith("> "):
            found[-1].text += "\n" + line[2:]
        elif goes_on:
            found[-1].text += "\n" + line
        elif prompts and found:
            found[-1].output.append(line)
        elif line.strip():
            found.append(Command(line))
    return found


def matches(shown, said):
    """Whether a command has said what the block shows. Without output shown, it may say anything."""
    if not shown:
        return True
    pattern = "\n".join(
        "".join(r"\d+" if part.isdigit() and part != "0" else re.escape(part) for part in re.split(r"(\d+)", line))
        for line in shown
    )
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in said)) is not None


def in_background(command):
    return re.search(r"(?<!&)&$", re.sub(r"\s+#\s.*$", "", command.text)) is not None


def script(todo, shown):
    """For a shell: the commands as they stand, and after each one a seam with its status. A file,
    shown and the number of a command in the background, tells that its output is there."""
    parts = []
    for number, command in enumerate(todo):
        parts.append(command.text)
        if in_background(command) and command.output:
            parts.append(f"until [ -e {shown}{number} ]; do sleep 0.1; done")
        parts.append(f"set -- $?; echo; echo {SEAM} $1; [ $1 = 0 ] || exit $1")
    return "\n".join(parts) + "\n"


def said_by_each(output):
    """[(status, lines)] of the commands that have ended, and what came after the last seam."""
    ended, lines = [], []
    for line in output.splitlines():
        seam = re.fullmatch(rf"{SEAM} (\d+)", line)
        if seam:
            # The empty line before a seam is the seam's, as output need not end with a newline.
            ended.append((int(seam[1]), lines[:-1] if lines and not lines[-1] else lines))
            lines = []
        else:
            lines.append(line)
    return ended, lines


def follow(shell, todo, out, shown):
    """Until the shell has ended: (what each command has said, the rest)."""
    deadline = None
    while True:
        over = shell.poll() is not None
        out.seek(0)
        ended, rest = said_by_each(out.read())
        if over:
            return ended, rest
        if len(ended) < len(todo):
            now = todo[len(ended)]
            if in_background(now) and now.output:
                deadline = deadline or time.monotonic() + PATIENCE
                if matches(now.output, rest) or time.monotonic() > deadline:
                    deadline = None
                    with open(f"{shown}{len(ended)}", "w", encoding="utf-8"):
                        pass
        time.sleep(0.1)


def run(block):
    """Exit status."""
    todo = commands(block.lines)
    with tempfile.TemporaryDirectory() as scratch, open(f"{scratch}/said", "a+", encoding="utf-8", errors="replace") as out:
        shown = f"{scratch}/shown"
        shell = subprocess.Popen(
            ["bash", "-c", script(todo, shown)], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
            # What runs in the background has it ignored, and what it starts as well.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        signal.signal(signal.SIGTERM, lambda number, _: os.killpg(shell.pid, signal.SIGINT))
        ended, rest = follow(shell, todo, out, shown)
        try:
            # What the block has left in the background
            os.killpg(shell.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    for command, (status, said) in zip(todo, ended):
        print(f"$ {command.text}", *said, sep="\n")
        if status:
            print(f"{block.place}: exit status {status}")
            return 1
        if not matches(command.output, said):
            print(f"{block.place}: the document shows", *command.output, sep="\n")
            return 1
    if len(ended) < len(todo):
        print(f"$ {todo[len(ended)].text}", *rest, f"{block.place}: the shell has ended", sep="\n")
        return 1
    return 0


def main(argv):
    blocks, wrong = load(documents())
    if argv[1:] == ["check"]:
        print(*wrong, sep="\n")
        return 1 if wrong or not blocks else 0
    if len(argv) == 3 and argv[1] == "names":
        for block in blocks:
            if block.name:
                print(block.name, "yes" if not block.kernels or argv[2] in block.kernels else "no")
        return 0
    if len(argv) == 3 and argv[1] == "run":
        for block in blocks:
            if block.name == argv[2]:
                return run(block)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
