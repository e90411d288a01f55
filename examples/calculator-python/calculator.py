"""Numbers, + - * / % ^, brackets and a few functions. An expression is read, never evaluated as code."""

import math
import re

FUNCTIONS = {"sqrt": math.sqrt, "abs": abs, "round": round, "floor": math.floor, "ceil": math.ceil, "ln": math.log,
             "log": math.log10, "sin": math.sin, "cos": math.cos, "tan": math.tan}
CONSTANTS = {"pi": math.pi, "e": math.e}
TOKEN = re.compile(r"\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[a-z]+|[-+*/%^()]|\S", re.IGNORECASE)


def calculate(expression):
    tokens = TOKEN.findall(expression)
    if len(tokens) > 200:
        raise ValueError("The expression is too long.")
    value = _Reader(tokens).whole()
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError("The result is not a finite number.")
    return int(value) if value == int(value) and abs(value) < 2**53 else value


class _Reader:
    def __init__(self, tokens):
        self.tokens, self.at = tokens, 0

    def whole(self):
        value = self.sum()
        if self.at < len(self.tokens):
            raise ValueError(f"'{self.tokens[self.at]}' was not expected.")
        return value

    def take(self, token):
        if self.at < len(self.tokens) and self.tokens[self.at] == token:
            self.at += 1
            return True
        return False

    def sum(self):
        left = self.product()
        while True:
            if self.take("+"):
                left += self.product()
            elif self.take("-"):
                left -= self.product()
            else:
                return left

    def product(self):
        left = self.signed()
        while True:
            if self.take("*"):
                left *= self.signed()
            elif self.take("/"):
                left /= self.signed()
            elif self.take("%"):
                left = math.fmod(left, self.signed())
            else:
                return left

    def signed(self):
        if self.take("-"):
            return -self.signed()
        if self.take("+"):
            return self.signed()
        base = self.atom()
        return math.pow(base, self.signed()) if self.take("^") else base

    def atom(self):
        if self.at >= len(self.tokens):
            raise ValueError("The expression ends too early.")
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            return self.closed(self.sum())
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        name = token.lower()
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS and self.take("("):
            return FUNCTIONS[name](self.closed(self.sum()))
        raise ValueError(f"'{token}' is not known.")

    def closed(self, inner):
        if not self.take(")"):
            raise ValueError("A ')' is missing.")
        return inner
