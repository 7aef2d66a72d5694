"""Seeds of separate streams of random numbers."""
import numpy as np


def derive_seed(*numbers: int) -> int:
    """Mix whole numbers into one seed in [0, 2**32)."""
    sequence = np.random.SeedSequence(numbers)
    seed, = sequence.generate_state(1)
    return int(seed)
