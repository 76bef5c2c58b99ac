"""The UniverSeg network in PyTorch, written from the definition in the paper; it
follows the official implementation's order of operations."""

import torch
from torch import nn


class CrossConv(nn.Module):
    """z[b, i] = conv(concat(u[b], v[b, i])) for every support i."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, u, v):
        batch, supports = v.shape[:2]
        pairs = torch.cat([u.expand(batch, supports, *u.shape[2:]), v], dim=2)
        z = self.conv(pairs.flatten(0, 1))
        return z.unflatten(0, (batch, supports))


class Block(nn.Module):
    def __init__(self, in_channels, features):
        super().__init__()
        self.cross = CrossConv(in_channels, features)
        self.target = nn.Conv2d(features, features, 3, padding=1)
        self.support = nn.Conv2d(features, features, 3, padding=1)
        self.activation = nn.LeakyReLU()

    def each(self, conv, x):
        return self.activation(conv(x.flatten(0, 1))).unflatten(0, x.shape[:2])

    def forward(self, u, v):
        z = self.cross(u, v)
        return self.each(self.target, z.mean(dim=1, keepdim=True)), self.each(self.support, z)


def each_image(f, x):
    y = f(x.flatten(0, 1))
    return y.unflatten(0, x.shape[:2])


class UniverSeg(nn.Module):
    def __init__(self, features=(64, 64, 64, 64)):
        super().__init__()
        self.encoder = nn.ModuleList()
        channels = 3
        for count in features:
            self.encoder.append(Block(channels, count))
            channels = 2 * count
        self.decoder = nn.ModuleList()
        below = features[-1]
        for count in reversed(features[:-1]):
            self.decoder.append(Block(2 * (below + count), count))
            below = count
        self.out = nn.Conv2d(below, 1, 1)
        self.down = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)

    def forward(self, target, images, labels):
        u, v = target[:, None], torch.cat([images, labels], dim=2)
        skips = []
        for level, block in enumerate(self.encoder):
            u, v = block(u, v)
            if level + 1 < len(self.encoder):
                skips.append((u, v))
                u, v = each_image(self.down, u), each_image(self.down, v)
        for block in self.decoder:
            skip_u, skip_v = skips.pop()
            u = torch.cat([each_image(self.up, u), skip_u], dim=2)
            v = torch.cat([each_image(self.up, v), skip_v], dim=2)
            u, v = block(u, v)
        return self.out(u[:, 0])
