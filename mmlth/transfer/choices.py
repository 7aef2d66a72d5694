"""What a transfer chooses among, known before torch is imported."""

BACKBONE = 'backbone.'
LEFT_OUT = ('predictors', )  # their outputs are the classes and boxes of the source's own task
USED = ('scope', 'include', 'exclude', 'frozen', 'seed')  # settings that a target is built with
VALUES = ('initial', 'trained', 'none')
