"""Seeds of separate streams of random numbers."""
import numpy as np


def derive_seed(*numbers: int) -> int:
    """Mix whole numbers into one seed in [0, 2**32)."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
