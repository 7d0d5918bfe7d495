"""A plain writer of TFRecord files."""

import functools
import struct


@functools.cache
def crc_table():
    """The byte table of CRC-32C (reversed polynomial 0x82F63B78)."""
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


def crc32c(data):
    table, crc = crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def checksummed(data):
    crc = crc32c(data)
    return data + struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32)


def framed(data):
    """One record of a TFRecord file."""
    return checksummed(struct.pack("<Q", len(data))) + checksummed(data)
