"""Read a config from its text without running it: a checkpoint may come from anyone."""
import ast
from typing import Any


def read_config_text(text: str) -> dict[str, Any]:
    """Return the values that a config's text assigns, as MMEngine's ``pretty_text`` writes them.

    Args:
        text: Lines ``name = value`` of literals, and of ``dict(...)`` and ``set(...)`` of such.

    Raises:
        ValueError: Anything else is written there; names its line.

    >>> read_config_text("model = dict(type='A', sizes=(1, 2))")
    {'model': {'type': 'A', 'sizes': (1, 2)}}
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f'no config: {error}') from error
    values = {}
    for line in tree.body:
        if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
            raise ValueError(f'line {line.lineno} of the config is no assignment to a name')
        values[line.targets[0].id] = _value(line.value)
    return values


def _is_dict(nodes: list[ast.expr]) -> bool:
    return len(nodes) == 1 and isinstance(nodes[0], ast.Dict)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(k): _value(v) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_value(each) for each in node.elts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        pairs = {each.arg: _value(each.value) for each in node.keywords}
        if node.func.id == 'dict' and not node.args and None not in pairs:
            return pairs
        if node.func.id == 'dict' and not pairs and _is_dict(node.args):  # of keys like 'a.b'
            return _value(node.args[0])
        if node.func.id == 'set' and not node.args and not pairs:
            return set()
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f'line {node.lineno} of the config: {ast.unparse(node)!r} is no plain value') from error
