import pytest

from mmlth.core.moment import INIT, Moment, Timeline


def test_moments_of_a_training_of_twelve_iterations():
    timeline = Timeline(iterations=12, epoch=4)
    table = [('init', 0, 'step_0'), (0, 0, 'step_0'), (5, 5, 'step_5'), ('epoch_2', 8, 'epoch_2'),
             ('25%', 3, 'share_0.25'), ('100%', 12, 'share_1.0'), ('2.5%', 0, 'share_0.025')]
    for text, iteration, name in table:
        moment = Moment.parse(text)
        assert (moment.iteration(timeline), moment.name) == (iteration, name), text
        assert Moment.parse(moment.text) == moment, text
    assert Moment.parse('init') == Moment.parse(0) == INIT and INIT.is_start


@pytest.mark.parametrize('text', [
    -1, True, 1.5, None, 'epoch_0', 'epoch', '0%', '101%', '%', 'lr', ''])
def test_what_is_no_moment_is_refused_with_what_is(text):
    with pytest.raises(ValueError, match='allowed are init, a number of steps, .*epoch_K, or P%'):
        Moment.parse(text)


def test_steps_are_those_of_the_optimizer_where_gradients_accumulate():
    # 10 iterations, a step in every 4th and in the last: after 4, 8 and 10.
    timeline = Timeline(iterations=10, epoch=5, accumulation=4)
    assert timeline.steps == 3
    assert [i for i in range(1, 11) if timeline.ends_step(i)] == [4, 8, 10]
    assert [timeline.steps_at(i) for i in range(11)] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3]
    assert [timeline.iteration_of(s) for s in range(4)] == [0, 4, 8, 10]
    assert timeline.iteration_of(4) > 10  # beyond the training, which a capture refuses
    assert Moment.parse(2).iteration(timeline) == 8
    assert Moment.parse('epoch_1').iteration(timeline) == 5  # in the middle of the second step
    assert Moment.parse('100%').iteration(timeline) == 10
