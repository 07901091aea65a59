"""The Python library `websockets` as a client of a Switchboard server. Usage: websockets_client.py URL [CA FILE]."""

import asyncio
import ssl
import sys

import websockets


async def expect(socket, line):
    received = await socket.recv()
    assert received == line, f"{received!r} instead of {line!r}"


async def expect_close(socket, code):
    try:
        while True:
            await socket.recv()
    except websockets.ConnectionClosed as closed:
        assert closed.rcvd is not None and closed.rcvd.code == code, f"{closed!r} instead of {code}"


async def main(url, ca=None):
    context = ssl.create_default_context(cafile=ca) if ca else None
    # The library offers permessage-deflate, and pings once a second.
    async with websockets.connect(url, ssl=context, ping_interval=1, max_size=100_000) as socket:
        assert socket.extensions == [], "no extension is agreed on"
        await expect(socket, "WELCOME")
        await socket.send("HELLO 2")
        assert (await socket.recv()).startswith("HELLO_OK 2 ")
        # Fragments, one of them empty, within a character.
        await socket.send(["REGISTER ", "", "Pytho", "n"])
        await expect(socket, "REGISTER_OK Python")
        for payload in [b"", b"are you there?", b"x" * 125]:
            await asyncio.wait_for(await socket.ping(payload), 10)
        await socket.send("JOIN #judges")
        assert (await socket.recv()).startswith("JOIN_OK #judges ")
        text = "שלום " * 300
        await socket.send(f"SAY #judges {text}".rstrip())
        verb, room, number = (await socket.recv()).split(" ")
        assert (verb, room) == ("SAID", "#judges")
        await socket.send(f"HISTORY #judges {int(number) + 1} 1")
        assert (await socket.recv()).endswith(f"FROM Python: {text}".rstrip())
        assert (await socket.recv()).startswith("HISTORY_OK #judges ")
        await socket.send("x" * 65_536)
        assert (await socket.recv()).startswith("ERROR LINE_TOO_LONG")
        await socket.close(4001, "done")
        assert socket.close_code == 4001

    for message, code in [(b"PING", 1003), ("x" * 65_537, 1009), ("MSG a\nQUIT", 1008)]:
        async with websockets.connect(url, ssl=context) as socket:
            await socket.send(message)
            await expect_close(socket, code)

    for origin in ["http://evil.example", "null"]:
        try:
            await websockets.connect(url, ssl=context, origin=origin)
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 403, refused
        else:
            raise AssertionError(f"{origin} is accepted")
    print("judged by websockets", websockets.version.version)


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
