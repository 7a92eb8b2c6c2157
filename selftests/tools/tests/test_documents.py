# SPDX-License-Identifier: GPL-2.0
"""The blocks of the documents: that all are found, and what is run of them."""

import contextlib
import io
import os
import re
import unittest
import unittest.mock

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives

import documents

RST = """
Text::

    # echo one \\
    >     two
    one two
    # true
    $ echo 12 0
    12 0

.. zbm-run: second on stock

Text that ends here.
::

    true

    false

- Item

  .. zbm-not-run: a drawing

  Text::

      +--+
"""
MARKDOWN = """
Text:
<!-- zbm-run: first -->
    make one
    make two

- Item
    that goes on
"""


def complaints(text, name="x.rst"):
    return documents.parse(text, name)[1]


class KernelDirective(Directive):
    """What only the kernel's Sphinx knows, or has its text elsewhere: no block of ours."""

    has_content, optional_arguments, final_argument_whitespace = True, 1, True
    option_spec = {"alt": directives.unchanged, "caption": directives.unchanged, "rst": directives.flag, "maxdepth": int}

    def run(self):
        return []


class Parse(unittest.TestCase):
    def test_reST(self):
        blocks, wrong = documents.parse(RST, "x.rst")
        self.assertEqual([block.place for block in blocks], ["x.rst:2", "x.rst:14", "x.rst:24"])
        self.assertEqual([block.name for block in blocks], ["", "second", ""])
        self.assertEqual(blocks[1].lines, ["true", "", "false"])
        self.assertEqual(blocks[1].kernels, ("stock",))
        self.assertEqual(blocks[2].lines, ["+--+"])
        self.assertEqual(len(wrong), 1)
        self.assertIn("x.rst:2: is it run", wrong[0])

    def test_markdown(self):
        blocks, wrong = documents.parse(MARKDOWN, "x.md")
        self.assertEqual([(block.name, block.lines) for block in blocks], [("first", ["make one", "make two"])])
        self.assertEqual(wrong, [])
        self.assertIn("fencing", complaints("```\ntrue\n```\n", "x.md")[0])

    def test_markers(self):
        block = "\n\nText::\n\n    true\n"
        self.assertEqual(complaints(".. zbm-run: one" + block), [])
        self.assertIn("what is", complaints(".. zbm-run: one on 2.4" + block)[0])
        self.assertIn("what is", complaints(".. zbm-run:" + block)[0])
        self.assertIn("what is", complaints(".. zbm-not-run: " + block)[0])
        self.assertIn("without a block", complaints(".. zbm-run: one\n\nText.\n\nMore." + block)[0])
        self.assertIn("without a block", complaints(".. zbm-run: one\n")[0])
        self.assertIn("without a block", complaints(".. zbm-run: one\n.. zbm-run: two" + block)[0])

    def test_all_blocks_of_the_documents_are_found(self):
        for name in ("kernel-render", "kernel-figure", "kernel-abi", "toctree", "include"):
            directives.register_directive(name, KernelDirective)
        for path in documents.documents():
            if path.endswith(".md"):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            tree = publish_doctree(text, settings_overrides={"report_level": 4, "file_insertion_enabled": False})
            of_docutils = [node.astext().splitlines() for node in tree.findall(nodes.literal_block)]
            self.assertEqual([block.lines for block in documents.parse(text, path)[0]], of_docutils, path)

    def test_all_blocks_are_run_or_say_why_not(self):
        self.assertEqual(documents.load(documents.documents())[1], [])

    def test_steps_and_tests_that_do_it_instead_are_there(self):
        with open(f"{documents.TOP}/scripts/runner/plan.py", encoding="utf-8") as file:
            steps = re.findall(r'Step\("([\w-]+)"', file.read())
        reasons = [block.reason for block in documents.load(documents.documents())[0]]
        named = [reason for reason in reasons if re.search("the (step|test)", reason)]
        self.assertNotEqual(named, [])
        for reason in named:
            [words] = re.findall(r"the (?:step|steps|test) ([\w-]+(?: and [\w-]+)?)", reason)
            for word in words.split(" and "):
                self.assertTrue(word in steps or os.path.exists(f"{documents.TOP}/selftests/{word}.sh"), word)


class Run(unittest.TestCase):
    def test_commands(self):
        first, second, third = documents.commands(documents.parse(RST, "x.rst")[0][0].lines)
        self.assertEqual((first.text, first.output), ("echo one \\\n    two", ["one two"]))
        self.assertEqual((second.text, second.output), ("true", []))
        self.assertEqual((third.text, third.output), ("echo 12 0", ["12 0"]))
        without = documents.commands(["one \\", "    two", "", "three"])
        self.assertEqual([command.text for command in without], ["one \\\n    two", "three"])

    def test_output(self):
        self.assertTrue(documents.matches(["12745 moved, 0 not moved"], ["3 moved, 0 not moved"]))
        self.assertFalse(documents.matches(["12745 moved, 0 not moved"], ["3 moved, 1 not moved"]))
        self.assertFalse(documents.matches(["0"], ["0", "0"]))
        self.assertFalse(documents.matches(["a.c"], ["abc"]))
        self.assertTrue(documents.matches([], ["whatever"]))

    def status(self, *lines):
        """Exit status of a block, and what is told of it."""
        with contextlib.redirect_stdout(io.StringIO()) as told:
            return documents.run(documents.Block("x.rst:1", list(lines))), told.getvalue()

    def test_run(self):
        self.assertEqual(self.status("# cd / && pwd", "/", "# printf x", "x", "# pwd", "/")[0], 0)
        self.assertEqual(self.status("# true & wait $!", "# for n in 1 2; do", ">     echo $n; done", "1", "2")[0], 0)

    def test_output_of_the_background_is_waited_for(self):
        later = "# (sleep 0.3; echo late; sleep 60) &   # with a remark"
        self.assertEqual(self.status(later, "late", "# echo $!", "1234")[0], 0)
        with unittest.mock.patch.object(documents, "PATIENCE", 0.2):
            self.assertEqual(self.status("# sleep 60 &", "never", "# true")[0], 1)
        # "&&" is none of it.
        self.assertEqual(self.status("# echo now && echo then", "now", "then")[0], 0)

    def test_a_command_that_fails(self):
        status, told = self.status("# echo a", "# false", "# echo b")
        self.assertEqual(status, 1)
        self.assertIn("exit status 1", told)
        self.assertNotIn("echo b", told)

    def test_other_output(self):
        self.assertEqual(self.status("# echo a", "b")[0], 1)
        self.assertEqual(self.status("# echo a >&2", "a")[0], 0)

    def test_a_shell_that_ends(self):
        self.assertEqual(self.status("# exit 0", "# true")[0], 1)
        self.assertEqual(self.status("# (", "# true")[0], 1)


if __name__ == "__main__":
    unittest.main()
