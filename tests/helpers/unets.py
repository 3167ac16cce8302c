"""U-Nets of random weights; needs the extra 'train'."""

import torch

from isolde.networks.residual import Residual
from isolde.networks.unet import UNetPair, UNetShape, UNetShared, unet_masker


def networks_of(shape: UNetShape, seed: int = 0) -> UNetPair | UNetShared:
    """Networks with statistics that are no identity, and blocks that change what they hear."""
    torch.manual_seed(seed)
    networks = unet_masker(shape).eval()
    for module in networks.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, Residual):
            torch.nn.init.normal_(module.second.weight, std=0.1)
    return networks
