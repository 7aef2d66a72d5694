"""One process that gets the gradients of two: batch by batch in their order, two to a step."""
import torch
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from mmlth.core.masks import digest
from mmlth.core.ticket import load_ticket


@DATA_SAMPLERS.register_module()
class AsTwoRanks(Sampler):
    """Deals images as MMEngine's shuffled DefaultSampler deals them to two ranks, one by one.

    Args:
        dataset: Its length is a multiple of ``2 * batch_size``.
        batch_size: Of each rank.
        seed: Of the job; the Runner hands it over.
    """

    def __init__(self, dataset, batch_size, seed=0):
        self.length, self.batch_size, self.seed, self.epoch = len(dataset), batch_size, seed, 0

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(self.length, generator=generator).tolist()
        size = self.batch_size
        for batch in range(self.length // (2 * size)):
            for rank in (0, 1):
                yield from order[rank::2][batch * size:(batch + 1) * size]

    def __len__(self):
        return self.length

    def set_epoch(self, epoch):
        self.epoch = epoch


def as_two_ranks(cfg):
    """Change a config of two ranks into one of a single process with the same gradients.

    DDP halves the gradients of two ranks and adds them. So does accumulation over two batches, and
    halving a float is exact: the weights must be equal bit for bit.
    """
    loader = cfg.train_dataloader
    loader.sampler = dict(type='AsTwoRanks', batch_size=loader.batch_size)
    cfg.optim_wrapper.accumulative_counts = 2
    return cfg


def tickets(work_dir):
    """Return the digests of all masks and of what they start from, round by round."""
    found = [load_ticket(path) for path in sorted(work_dir.glob('round_*/ticket.safetensors'))]
    return [(digest(ticket.masks), ticket.rewind_digest) for ticket in found]
