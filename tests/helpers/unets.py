"""U-Nets of random weights; needs the extra 'train'."""

import torch

from isolde.networks.unet import UNetPair, UNetShape, UNetShared, unet_masker


def networks_of(shape: UNetShape, seed: int = 0) -> UNetPair | UNetShared:
    """Networks with statistics that are no identity."""
    torch.manual_seed(seed)
    networks = unet_masker(shape).eval()
    for module in networks.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return networks
