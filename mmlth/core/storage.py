"""Which parameters of a model are one tensor of several names, or a copy that follows another."""
from collections.abc import Collection, Hashable, Mapping

from torch import nn

# MMDetection's mean teachers: the first is an average over the second's past, never trained.
FOLLOWER, LEADER = 'teacher', 'student'


def storage_of(parameter: nn.Parameter) -> Hashable:
    """Return what two parameters have in common if they are one tensor in memory."""
    address = parameter.data_ptr()
    # Tensors without memory (of the device 'meta', or of no elements) all have the address 0.
    return (address, tuple(parameter.shape)) if address else id(parameter)


def aliases_of(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Map the first name of every parameter's storage to its other names, in the model's order.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> aliases_of(nn.ModuleList([layer, layer, nn.Linear(1, 1, bias=False)]))
    {'0.weight': ('1.weight',), '2.weight': ()}
    """
    names: dict[Hashable, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(storage_of(parameter), []).append(name)
    return {first: tuple(others) for first, *others in names.values()}


def shared_names(model: nn.Module) -> dict[str, str]:
    """Map every name of a parameter that stands for another one to that one's first name.

    These are the other names of a tensor, and the parameters of a teacher that follows its student:
    a wholly frozen module beside another of the same names and shapes. Buffers aren't among them.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> shared_names(nn.ModuleList([layer, layer]))
    {'1.weight': '0.weight'}
    >>> shared_names(nn.ModuleDict(dict(student=layer, teacher=nn.Linear(1, 1, bias=False))))
    {}
    >>> teacher = nn.Linear(1, 1, bias=False).requires_grad_(False)
    >>> shared_names(nn.ModuleDict(dict(student=layer, teacher=teacher)))
    {'teacher.weight': 'student.weight'}
    """
    first = {other: name for name, others in aliases_of(model).items() for other in others}
    leaders = _leaders(model)
    found = {}
    for name, _ in model.named_parameters(remove_duplicate=False):
        leader = leaders.get(name, name)
        origin = first.get(leader, leader)
        if origin != name:
            found[name] = origin
    return found


def followed_buffers(names: Collection[str], shared: Mapping[str, str]) -> dict[str, str]:
    """Map every buffer of a teacher that follows its student to the student's.

    Args:
        names: Of the model's whole state.
        shared: From :func:`shared_names`.

    >>> followed_buffers(('student.w', 'student.mean', 'teacher.w', 'teacher.mean'),
    ...                  {'teacher.w': 'student.w'})
    {'teacher.mean': 'student.mean'}
    """
    teachers = {f'{head}{FOLLOWER}.' for name in shared
                for head, found, _ in [name.partition(f'{FOLLOWER}.')] if found}
    found = {}
    for teacher in teachers:
        student = teacher.removesuffix(f'{FOLLOWER}.') + f'{LEADER}.'
        for name in names:
            owner = student + name.removeprefix(teacher)
            if name.startswith(teacher) and name not in shared and owner in names:
                found[name] = owner
    return found


def _leaders(model: nn.Module) -> dict[str, str]:
    """Map every parameter of a teacher to that of its student."""
    found: dict[str, str] = {}
    for path, module in model.named_modules():
        children = dict(module.named_children())
        if FOLLOWER not in children or LEADER not in children:
            continue
        if _follows(children[FOLLOWER], children[LEADER]):
            start = f'{path}.' if path else ''
            for name in _shapes(children[FOLLOWER]):
                found[f'{start}{FOLLOWER}.{name}'] = f'{start}{LEADER}.{name}'
    return found


def _follows(teacher: nn.Module, student: nn.Module) -> bool:
    """Tell whether a module can only be a copy of another that is trained."""
    frozen = not any(p.requires_grad for p in teacher.parameters())
    trained = any(p.requires_grad for p in student.parameters())
    return frozen and trained and _shapes(teacher) == _shapes(student)


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    parameters = module.named_parameters(remove_duplicate=False)
    return {name: tuple(p.shape) for name, p in parameters}
