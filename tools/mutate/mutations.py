"""Which small faults a C file can be given.

The file is read as tokens, not parsed: comments, strings and preprocessor lines fall away, brackets are paired,
and a `{` behind a `)` at the outermost level opens a function. Only what stands in functions is changed, and
there neither declarations of arrays nor the arguments of QUIET calls: no test should hold the words of a message,
nor does an assertion decide anything. A bound (`if (a < b) a = b;`) is the same with `<=`. HINTS are arguments that say how much to reserve, not what is right.

A change replaces a stretch of the text and keeps its line breaks, so that line numbers (which assertions
compile in) stay and the object code differs only where the code does.
"""
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<drop>//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:\\\n|[^\n])*|\s+)
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    |(?P<sign>->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\.\.\.|.)""",
    re.VERBOSE | re.MULTILINE | re.DOTALL)

QUIET = {"weir_assert", "weir_assert_slow", "static_assert", "weir_error_set", "weir_error_wrap", "weir_log", "assert"}
HINTS = {"weir_buffer_init", "weir_arena_init", "weir_grown", "weir_grown_to"}

SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "&&": "||", "||": "&&", "+": "-", "-": "+", "+=": "-=", "-=": "+=",
}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
LEAVES = {"return", "goto", "break", "continue"}
KEYWORDS = LEAVES | {"if", "else", "for", "while", "do", "switch", "case", "default"}
TYPE_WORDS = {"const", "struct", "enum", "union", "unsigned", "signed", "int", "char", "long", "short", "double", "float",
              "void", "bool", "size_t", "ssize_t"}
CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self):
        return self.start + len(self.text)


@dataclass(frozen=True)
class Change:
    """`source[start:end]` becomes `text`. Where it stands is said by function and the line's text, not by a number."""
    path: str
    function: str
    line: int
    line_text: str
    what: str
    start: int
    end: int
    text: str

    def key(self):
        return (self.path, self.function, self.line_text, self.what)

    def apply(self, source):
        return source[:self.start] + self.text + source[self.end:]


class Reader:
    """The tokens of one file, with each bracket's partner and each token's innermost bracket."""

    def __init__(self, source):
        self.tokens = [Token(match.lastgroup, match.group(), match.start())
                       for match in TOKEN.finditer(source) if match.lastgroup != "drop"]
        self.partner = {}
        self.inside = []
        stack = []
        for at, token in enumerate(self.tokens):
            if token.kind == "sign" and token.text in CLOSES.values() and stack:
                opening = stack.pop()
                self.partner[opening] = at
                self.partner[at] = opening
            self.inside.append(stack[-1] if stack else None)
            if token.kind == "sign" and token.text in CLOSES:
                stack.append(at)

    def text(self, at):
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def is_sign(self, at, text):
        return 0 <= at < len(self.tokens) and self.tokens[at].kind == "sign" and self.tokens[at].text == text

    def functions(self):
        """(name, index of `{`, index of `}`) of each."""
        at = 0
        while at < len(self.tokens):
            if self.is_sign(at, "{") and at in self.partner:
                if self.is_sign(at - 1, ")"):
                    yield self.text(self.partner[at - 1] - 1), at, self.partner[at]
                at = self.partner[at]
            at += 1

    def behind(self, at, stops):
        """The first of `stops` at the level of `at`, or the bracket that ends that level."""
        while at < len(self.tokens):
            token = self.tokens[at]
            if token.kind == "sign":
                if token.text in stops or token.text in CLOSES.values():
                    return at
                if token.text in CLOSES:
                    at = self.partner.get(at, at)
            at += 1
        return at

    def is_type_in_parentheses(self, close):
        opening = self.partner.get(close)
        words = [self.text(at) for at in range(opening + 1, close)] if opening is not None else []
        if not words or self.tokens[opening - 1].kind == "word" and self.text(opening - 1) not in LEAVES:
            return False
        return all(word in TYPE_WORDS or word == "*" or word.endswith("_t") or before == "struct"
                   for before, word in zip([""] + words, words))

    def is_binary(self, at):
        before = self.tokens[at - 1]
        if before.kind == "sign":
            return before.text == "]" or before.text == ")" and not self.is_type_in_parentheses(at - 1)
        return before.text not in LEAVES and before.text not in {"case", "else", "sizeof"}


class Finder:
    def __init__(self, path, source):
        self.path = path
        self.source = source
        self.lines = source.split("\n")
        self.reader = Reader(source)
        self.found = []
        self.seen = {}

    def add(self, function, first, last, text, what):
        start, end = self.reader.tokens[first].start, self.reader.tokens[last].end
        line = self.source.count("\n", 0, start)
        line_text = " ".join(self.lines[line].split())
        key = (function, line_text, what)
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.seen[key] > 1:
            what = f"{what} (no. {self.seen[key]})"
        breaks = self.source.count("\n", start, end) - text.count("\n")
        self.found.append(Change(self.path, function, line + 1, line_text, what, start, end, text + "\n" * breaks))

    def quiet(self, first, last):
        """The tokens of a function that are left alone."""
        reader, left_alone = self.reader, set()
        for at in range(first, last):
            token = reader.tokens[at]
            if token.kind == "word" and reader.is_sign(at + 1, "(") and at + 1 in reader.partner:
                close = reader.partner[at + 1]
                if token.text in QUIET:
                    left_alone.update(range(at, close + 1))
                if token.text in HINTS:
                    left_alone.add(close - 1)
            elif token.text == "case":
                left_alone.update(range(at, reader.behind(at, {":"})))
            elif reader.is_sign(at, "[") and at in reader.partner and self.is_array_declared(at):
                left_alone.update(range(at, reader.partner[at] + 1))
        return left_alone

    def is_array_declared(self, at):
        """`at` is a `[`: `char name[12]`, not `names[12]` and not `return names[12]`."""
        reader = self.reader
        before = reader.tokens[at - 2]
        return reader.tokens[at - 1].kind == "word" and before.kind == "word" and before.text not in LEAVES

    def search(self):
        for name, first, last in self.reader.functions():
            left_alone = self.quiet(first, last)
            for at in range(first + 1, last):
                if at not in left_alone:
                    self.look_at(name, at)
        return self.found

    def look_at(self, function, at):
        token, reader = self.reader.tokens[at], self.reader
        if token.kind == "sign":
            self.swap(function, at)
            self.designated(function, at)
            if token.text == "!":
                self.add(function, at, at, "", f"!{reader.text(at + 1)} -> {reader.text(at + 1)}")
        elif token.kind == "number":
            self.constant(function, at)
        elif token.text == "if":
            self.guard(function, at)
        elif token.text in {"break", "continue"} and not self.is_guarded(at):
            self.add(function, at, at, "", f"{token.text} removed")
        self.assignment(function, at)

    def words(self, first, last):
        return [self.reader.text(at) for at in range(first, last)]

    def is_bound(self, at):
        """`at` is a comparison that sets a bound, `if (a < b) a = b;`: where both are equal nothing changes."""
        reader = self.reader
        opening = reader.inside[at]
        if reader.text(at) not in {"<", "<=", ">", ">="} or opening is None or reader.text(opening - 1) != "if":
            return False
        close = reader.partner.get(opening, at)
        end = reader.behind(close + 1, {";"})
        equals = reader.behind(close + 1, {"=", ";"})
        if not reader.is_sign(equals, "=") or not reader.is_sign(end, ";"):
            return False
        sides = [self.words(opening + 1, at), self.words(at + 1, close)]
        return sorted(sides) == sorted([self.words(close + 1, equals), self.words(equals + 1, end)])

    def swap(self, function, at):
        reader, text = self.reader, self.reader.text(at)
        if text not in SWAPS or text in "+-" and not reader.is_binary(at) or self.is_bound(at):
            return
        before, behind = reader.text(at - 1), reader.text(at + 1)
        self.add(function, at, at, SWAPS[text], f"{before} {text} {behind} -> {before} {SWAPS[text]} {behind}")

    def constant(self, function, at):
        reader = self.reader
        match = re.fullmatch(r"(0|[1-9][0-9]*)([uUlL]*)", reader.text(at))
        if not match or reader.is_sign(at - 1, "{") and reader.is_sign(at + 1, "}"):
            return
        for other in [int(match[1]) + 1, int(match[1]) - 1]:
            if other >= 0:
                before, text = reader.text(at - 1), f"{other}{match[2]}"
                self.add(function, at, at, text, f"{before} {reader.text(at)} -> {before} {text}")

    def left_by(self, at):
        """`at` is an `if`: the end of its body, if that does nothing but leave; else None."""
        reader = self.reader
        close = reader.partner.get(at + 1)
        if close is None:
            return None
        body, last = close + 1, None
        if reader.is_sign(body, "{"):
            last, body = reader.partner.get(body), body + 1
        if reader.text(body) not in LEAVES:
            return None
        end = reader.behind(body, {";"})
        if last is None:
            last = end
        elif end + 1 != last:
            return None
        return None if reader.text(last + 1) == "else" else last

    def is_guarded(self, at):
        """`at` is a `break` that goes with the guard in front of it."""
        reader = self.reader
        close = at - 2 if reader.is_sign(at - 1, "{") else at - 1
        opening = reader.partner.get(close) if reader.is_sign(close, ")") else None
        return opening is not None and reader.text(opening - 1) == "if" and self.left_by(opening - 1) is not None

    def guard(self, function, at):
        """What the condition does is still done: only nothing follows from it."""
        last = self.left_by(at)
        if last is None:
            return
        close = self.reader.partner[at + 1]
        condition = self.source[self.reader.tokens[at + 1].start:self.reader.tokens[close].end]
        self.add(function, at, last, f"(void){condition};", "guard removed")

    def is_statement(self, at):
        reader = self.reader
        if reader.inside[at] is None or not reader.is_sign(reader.inside[at], "{"):
            return False
        before = reader.tokens[at - 1]
        if before.text == "else" or before.kind == "sign" and before.text in ";{}:":
            return True
        opening = reader.partner.get(at - 1) if before.text == ")" else None
        return opening is not None and reader.text(opening - 1) in {"if", "for", "while"}

    def assignment(self, function, at):
        """Of a field, or through a pointer."""
        reader = self.reader
        starts = reader.tokens[at].kind == "word" or reader.text(at) in {"*", "("}
        if not starts or reader.text(at) in KEYWORDS or reader.text(at + 1) == ":" or not self.is_statement(at):
            return
        end = reader.behind(at, {";"} | ASSIGNMENTS)
        if reader.text(end) not in ASSIGNMENTS:
            return
        to = [reader.text(of) for of in range(at, end)]
        is_field = "->" in to or "." in to or to[0] == "*"
        last = reader.behind(end, {";"})
        if not is_field or not reader.is_sign(last, ";"):
            return
        name = self.source[reader.tokens[at].start:reader.tokens[end - 1].end]
        self.add(function, at, last, ";", f"assignment of {' '.join(name.split())} removed")

    def designated(self, function, at):
        """`.field = value,` in an initialiser."""
        reader = self.reader
        if reader.text(at) != "." or reader.text(at - 1) not in {"{", ","} or not reader.is_sign(at + 2, "="):
            return
        last = reader.behind(at, {","})
        if not reader.is_sign(last, ","):
            last -= 1
        self.add(function, at, last, "", f"assignment of .{reader.text(at + 1)} removed")


def find_changes(path, source):
    """All changes of a file, in its order."""
    return Finder(path, source).search()
