#!/usr/bin/python3
"""A relay in front of a server, that writes down what it is asked.

usage: relay.py BACKEND_FILE REQUESTS_FILE     prints its port; BACKEND_FILE has HOST:PORT when the first comes
A line of REQUESTS_FILE is a request that went by: its API key and its version."""
import socket
import struct
import sys
import threading


def take(source, size):
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def forward(source, target, note):
    try:
        while True:
            size = take(source, 4)
            body = take(source, struct.unpack(">i", size)[0])
            if note:
                note(*struct.unpack(">hh", body[:4]))
            target.sendall(size + body)
    except (EOFError, OSError):
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    with open(sys.argv[2], "a", buffering=1, encoding="utf-8") as requests:
        while True:
            client, _ = listener.accept()
            with open(sys.argv[1], encoding="utf-8") as file:
                host, port = file.read().strip().rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            note = lambda key, version: requests.write(f"{key} {version}\n")
            threading.Thread(target=forward, args=(client, server, note), daemon=True).start()
            threading.Thread(target=forward, args=(server, client, None), daemon=True).start()


main()
