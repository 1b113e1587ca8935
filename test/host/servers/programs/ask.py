"""Prints what a server at a local port sends within two seconds. Usage: ask.py PORT TEXT PATTERN; ends early when the pattern has come."""
import re
import socket
import sys

port, text, pattern = sys.argv[1:]
answer = b""
with socket.create_connection(("127.0.0.1", int(port)), timeout=2) as connection:
    connection.sendall(text.encode().decode("unicode_escape").encode())
    try:
        while not re.search(pattern.encode(), answer):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
    except TimeoutError:
        pass
print(answer.decode("utf8", "replace"))
