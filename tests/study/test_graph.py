"""The graph of a study: which trainings are one, and what waits for what."""
import pytest
import toys
from stand_ins import write_study

from mmlth.engine.config_files import load_config
from mmlth.study.plan import read_study
from mmlth.study.tasks import levels, list_tasks, longest_first

BUDGET = 'dense_budget'


@pytest.fixture
def read(tmp_path):
    """Return the tasks of a study of one experiment with these entries."""
    def read(*jobs):
        one = dict(title='One', section='1', kind='curve', jobs=list(jobs))
        path = write_study(tmp_path / 'study.py', toys.write_config(tmp_path), dict(one=one))
        return list(list_tasks(read_study(load_config(str(path)))).values())
    return read


def test_the_rounds_of_a_job_are_a_task_and_each_control_is_one_that_waits_for_them(read):
    dense, rounds, *controls = read(dict(rounds=2, controls=('random', 'shuffle')))
    assert (dense.keys, dense.needs, dense.count) == (((0, ''), ), (), 1)
    assert (rounds.keys, rounds.count) == (((0, ''), (1, ''), (2, '')), 2)
    assert rounds.needs == (dense.name, ) and rounds.shared == {(0, '')}
    assert [task.keys for task in controls] == [((2, 'random'), ), ((2, 'shuffle'), )]
    assert all(task.needs == (rounds.name, ) and task.count == 1 for task in controls)


def test_what_does_not_depend_on_the_ticket_is_done_once_for_all_sparsities(read):
    tasks = read(dict(rounds=1, target_sparsity=[0.5, 0.75, 0.9], controls=(BUDGET, 'shuffle')))
    budget = [task for task in tasks if task.name.endswith(BUDGET)]
    first, *others = budget
    assert [task.count for task in budget] == [1, 0, 0]
    assert all(first.name in task.needs and task.shared == {(1, BUDGET)} for task in others)
    assert sum(task.count for task in tasks) == 1 + 3 * 2 + 1


@pytest.mark.parametrize('other', [
    dict(rounds=2), dict(seed=1), dict(order_seed=5), dict(cfg_options={'model.bias': True}),
], ids=str)
def test_a_control_of_another_budget_seed_or_config_is_another_training(read, other):
    entry = dict(rounds=1, controls=(BUDGET, ))
    tasks = read(entry, {**entry, **other})
    assert [task.count for task in tasks if task.name.endswith(BUDGET)] == [1, 1]


def test_rounds_that_two_jobs_begin_with_are_done_by_the_first(read):
    tasks = read(dict(schedule=(0.5, )), dict(schedule=(0.5, 0.75)))
    _, one, two = tasks
    assert one.count == two.count == 1 and two.shared == {(0, ''), (1, '')}
    assert one.name in two.needs


def test_tickets_of_other_scopes_are_not_one(read):
    tasks = read(dict(rounds=1, scope=['all', 'backbone']))
    assert [task.count for task in tasks] == [1, 1, 1]


def test_a_transfer_waits_for_the_tickets_of_its_source_but_not_for_its_controls(read):
    source = dict(rounds=1, controls=('random', ))
    tasks = read(source, dict(scope='backbone', transfer=dict(source=source)))
    given = tasks[-1]
    assert given.needs == (tasks[0].name, tasks[1].name)


def test_levels_hold_what_may_run_at_once(read):
    tasks = read(dict(rounds=1, seed=[0, 1], controls=('random', 'shuffle')))
    found = levels({task.name: task for task in tasks})
    assert [len(level) for level in found] == [2, 2, 4]


def test_the_longest_chain_of_training_starts_first(read):
    tasks = read(
        dict(rounds=1, seed=[0, 1], controls=('shuffle', BUDGET)), dict(schedule=(0.5, 0.75, 0.9)))
    found = longest_first({task.name: task for task in tasks})
    assert sorted(found) == sorted(task.name for task in tasks)
    lengths = [task.length for task in found.values()]
    assert lengths == [1, 1, 1, 1, 3, 2, 2, 1, 1]  # dense, tickets, three rounds, budgets, shuffles
    started: set[str] = set()
    for task in found.values():
        assert started.issuperset(task.needs)
        started.add(task.name)
