"""Reads a QR code with zbar. Standard input has a row of modules a line: 1 is dark, 0 is light."""

import sys

import zbar

# Pixels of a module, as a camera sees it.
SCALE = 8

rows = sys.stdin.read().split()
width, height = len(rows[0]) * SCALE, len(rows) * SCALE
pixels = bytearray()
for row in rows:
    line = b"".join((b"\x00" if module == "1" else b"\xff") * SCALE for module in row)
    pixels += line * SCALE

scanner = zbar.ImageScanner()
scanner.parse_config("enable")
image = zbar.Image(width, height, "Y800", bytes(pixels))
scanner.scan(image)
for symbol in image:
    print(f"{symbol.type} {symbol.data}")
