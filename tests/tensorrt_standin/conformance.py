"""Every attribute of `tensorrt` that a source file touches, and the versions on which the code gets that far.

Objects are known by the names that our code gives them (OBJECTS), a guard is an `if` that compares the interface's
version or asks `hasattr`; what stands behind a guard that is false on a version is not reached there.
"""

import ast
from dataclasses import dataclass

from tests.tensorrt_standin.api import Api

# file -> name -> class of TensorRT. Names with a dot are attributes.
OBJECTS = {
    "export/tensorrt/engine.py": {
        "builder": "Builder", "config": "IBuilderConfig", "network": "INetworkDefinition", "parser": "OnnxParser",
        "self.parser": "OnnxParser", "error": "ParserError", "profile": "IOptimizationProfile", "plan": "IHostMemory",
    },
    "export/tensorrt/flags.py": {
        "builder": "Builder", "config": "IBuilderConfig", "network": "INetworkDefinition", "layer": "ILayer",
    },
    "export/tensorrt/progress.py": {},
    "edge_pose/backends/tensorrt_library.py": {},
    "edge_pose/backends/tensorrt.py": {
        "runtime": "Runtime", "self._runtime": "Runtime", "engine": "ICudaEngine", "self._engine": "ICudaEngine",
        "context": "IExecutionContext", "self._context": "IExecutionContext",
    },
}  # fmt: skip
MODULE = ("trt", "library.trt", "self.library.trt", "self._trt")
RETURNS = {
    ("IBuilderConfig", "get_timing_cache"): "ITimingCache",
    ("INetworkDefinition", "get_input"): "ITensor",
    ("INetworkDefinition", "get_layer"): "ILayer",
    ("OnnxParser", "get_error"): "ParserError",
}
BY_NAME = "(by name)"  # a getattr whose name only the run knows
VERSIONS_OF = ("interface", "library.interface", "self.library.interface")


@dataclass(frozen=True)
class Use:
    """One attribute of one class, and the guards (test, wanted) that stand before it."""

    owner: str
    name: str
    line: int
    guards: tuple


def uses(source, objects, constants):
    """All uses in a source file."""
    found = []
    _Block(objects, constants, found).visit_all(ast.parse(source).body, ())
    return found


def violations(found, api: Api, constants, objects):
    """Uses that are reached on this version and are not there."""
    reader = Reader(api, constants, objects)
    wrong = []
    for use in found:
        if any(reader.truth(test) is (not wanted) for test, wanted in use.guards):
            continue
        known = api.members if use.owner == "module" else api.members.get(use.owner, ())
        if use.name not in known and use.name != BY_NAME:
            wrong.append(f"line {use.line}: {use.owner}.{use.name}")
    return wrong


class Reader:
    """Evaluates guards: True, False, or None where only the run can tell."""

    def __init__(self, api, constants, objects):
        self.api, self.constants, self.objects = api, constants, objects

    def truth(self, test):
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.truth(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            values = [self.truth(value) for value in test.values]
            decisive = isinstance(test.op, ast.Or)
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        if isinstance(test, ast.Compare):
            terms = [self.value(term) for term in (test.left, *test.comparators)]
            if None in terms:
                return None
            signs = {ast.Lt: "__lt__", ast.LtE: "__le__", ast.Gt: "__gt__", ast.GtE: "__ge__"}
            pairs = zip(terms, test.ops, terms[1:], strict=False)
            return all(type(op) in signs and getattr(a, signs[type(op)])(b) for a, op, b in pairs)
        if (
            isinstance(test, ast.Call)
            and ast.unparse(test.func) == "hasattr"
            and isinstance(test.args[1], ast.Constant)
        ):
            owner = owner_of(test.args[0], self.objects)
            known = self.api.members if owner == "module" else self.api.members.get(owner, ())
            return None if owner is None else test.args[1].value in known
        return None

    def value(self, term):
        if ast.unparse(term) in VERSIONS_OF:
            return self.api.interface
        if isinstance(term, ast.Name):
            return self.constants.get(term.id)
        return ast.literal_eval(term) if isinstance(term, ast.Tuple) else None


def owner_of(node, objects):
    """The class of TensorRT that an expression is, "module" for the module, None for anything else."""
    text = ast.unparse(node)
    if text in MODULE:
        return "module"
    if text in objects:
        return objects[text]
    if isinstance(node, ast.Attribute) and owner_of(node.value, objects) == "module":
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return RETURNS.get((owner_of(node.func.value, objects), node.func.attr))
    return None


def overridden(node):
    """Public methods of a class that says of itself, by `Take ...`, that TensorRT calls them."""
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")]
    return [method.name for method in methods if (ast.get_docstring(method) or "").startswith("Take ")]


class _Block:
    def __init__(self, objects, constants, found):
        self.objects, self.constants, self.found = objects, constants, found

    def visit_all(self, statements, guards):
        for statement in statements:
            self.visit(statement, guards)
            if isinstance(statement, ast.If) and isinstance(statement.body[-1], (ast.Return, ast.Raise, ast.Continue)):
                guards = (*guards, (statement.test, False))

    def use(self, of, name, line, guards):
        owner = owner_of(of, self.objects)
        if owner is not None and not name.startswith("_"):
            self.found.append(Use(owner, name, line, guards))

    def visit(self, node, guards):
        if isinstance(node, (ast.If, ast.IfExp)):
            self.visit(node.test, guards)
            bodies = (node.body, node.orelse) if isinstance(node, ast.If) else ([node.body], [node.orelse])
            for body, wanted in zip(bodies, (True, False), strict=True):
                self.visit_all(body, (*guards, (node.test, wanted)))
            return
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                self.visit(value, guards)
                guards = (*guards, (value, isinstance(node.op, ast.And)))
            return
        if isinstance(node, ast.Attribute):
            self.use(node.value, node.attr, node.lineno, guards)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else BY_NAME
            self.use(node.args[0], name, node.lineno, guards)
        if isinstance(node, ast.ClassDef):  # what a subclass overrides has to be there
            for base in node.bases:
                for method in overridden(node):
                    self.found.append(Use(owner_of(base, self.objects), method, node.lineno, guards))
        for field, value in ast.iter_fields(node):
            if field == "body" and isinstance(value, list):
                self.visit_all(value, guards)
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item, guards)
            elif isinstance(value, ast.AST):
                self.visit(value, guards)
