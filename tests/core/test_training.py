from dataclasses import replace

from mmlth.core.moment import Moment
from mmlth.core.training import Training

CONFIG = {'optim_wrapper.optimizer.lr': 0.1, 'world_size': 1}
DENSE = Training(number=0, seed=1)
TICKET = Training(number=1, parent=DENSE, masks='pruned', density=0.2, seed=1)


def test_equal_trainings_have_one_id_and_others_another():
    assert TICKET.id(CONFIG) == replace(TICKET).id(dict(CONFIG))
    changes = [
        dict(density=0.1),
        dict(seed=2),
        dict(start='reinit'),
        dict(masks='random'),
        dict(number=2),
        dict(criterion='random'),
        dict(moment=Moment.parse(5)),
        dict(optimizer='rewound'),
        dict(schedule='continue'),
        dict(parent=replace(DENSE, seed=2)),
        dict(early_bird=dict(fraction=0.5)),
    ]
    ids = [
        TICKET.id(CONFIG),
        *(replace(TICKET, **change).id(CONFIG) for change in changes),
        TICKET.id({**CONFIG, 'world_size': 2}),
    ]
    assert len(set(ids)) == len(ids)


def test_what_a_dense_training_keeps_for_others_is_no_other_training():
    kept = replace(
        DENSE,
        moment=Moment.parse('epoch_1'),
        captures=(Moment.parse(3),),
        states=(Moment.parse(3), ),
        keep='all',
        max_keep_ckpts=5,
        shared_from='elsewhere',
    )
    assert kept.id(CONFIG) == DENSE.id(CONFIG)
    assert replace(TICKET, label='shuffle').id(CONFIG) == TICKET.id(
        CONFIG
    )  # a name decides nothing


def test_ids_stay_as_they_are():
    """A study finds its trainings by these: a new setting must leave them alone at its default."""
    assert DENSE.id(CONFIG) == 'b743db5793166fe2'
    assert TICKET.id(CONFIG) == '25e7767b5666e527'


def test_names_and_keys():
    control = replace(TICKET, label='shuffle', parent=TICKET)
    assert (TICKET.key, control.key) == ((1, ''), (1, 'shuffle'))
    assert (TICKET.name, control.name) == ('round 1', 'round 1 (shuffle control)')
