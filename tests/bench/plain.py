"""The same training step as public code writes it: NCHW, a module per operation and edge, a ReLU in each of them,
`none` as a product with zero, dead edges computed like live ones. For comparison only."""

import random

import torch
import torch.nn.functional as F
from torch import nn


class ReLUConvBN(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(inplace=False),
            nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, track_running_stats=False),
        )

    def forward(self, x):
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x):
        return x.mul(0.0)


class Edge(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.ops = nn.ModuleList(
            [
                Zero(),
                nn.Identity(),
                ReLUConvBN(channels, channels, 1),
                ReLUConvBN(channels, channels, 3),
                nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
            ]
        )

    def forward(self, x, choice):
        return self.ops[choice](x)


class Cell(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.edges = nn.ModuleList([Edge(channels) for _ in range(6)])

    def forward(self, x, arch):
        nodes = [x]
        edge = 0
        for target in range(1, 4):
            inputs = []
            for source in range(target):
                inputs.append(self.edges[edge](nodes[source], arch[edge]))
                edge += 1
            nodes.append(sum(inputs))
        return nodes[-1]


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_a = ReLUConvBN(inputs, outputs, 3, 2)
        self.conv_b = ReLUConvBN(outputs, outputs, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x, arch):
        return self.conv_b(self.conv_a(x)) + self.shortcut(x)


class PlainNet(nn.Module):
    def __init__(self, channels, cells, classes):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels, track_running_stats=False)
        )
        layers = []
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                layers.append(ResidualBlock(width // 2, width))
            layers += [Cell(width) for _ in range(cells)]
        self.layers = nn.ModuleList(layers)
        self.last = nn.Sequential(nn.BatchNorm2d(width, track_running_stats=False), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x, arch):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x, arch)
        return self.classifier(self.pool(self.last(x)).flatten(1))


class PlainTrainer:
    """Uniform single-path training as public code has it."""

    def __init__(self, channels, cells, classes, seed):
        self.net = PlainNet(channels, cells, classes)
        self.optimiser = torch.optim.SGD(self.net.parameters(), lr=0.025, momentum=0.9, weight_decay=3e-4)
        self.random = random.Random(seed)

    def step(self, x, y):
        arch = [self.random.choice(range(5)) for _ in range(6)]
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.net(x, arch), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        return loss.item()
