"""Connections of somebody else for the wall matrix. Usage: strangers.py PORT SOURCES COUNT: COUNT from each of 127.0.0.1 … 127.0.0.SOURCES."""

import socket
import sys
import time

held = []
for number in range(1, int(sys.argv[2]) + 1):
    for _ in range(int(sys.argv[3])):
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        connection.bind((f"127.0.0.{number}", 0))
        connection.connect(("127.0.0.1", int(sys.argv[1])))
        held.append(connection)
# The test ends this program; should it not, it ends itself.
time.sleep(60)
