"""Servers with a defect, for the wall matrix. Usage: servers.py MODE, with C10M_ADDRESS and C10M_PORTS as C10M sets them.

  deaf    listens with a long queue and never accepts
  keeping accepts and keeps, and goes on when it may open no more files
  hostile accepts and resets at once
  closing accepts and closes at once
  generous accepts, sends what fits and closes while it is on its way
"""

import os
import select
import socket
import struct
import sys
import time

listeners = []
held = []
for port in os.environ["C10M_PORTS"].split(","):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["C10M_ADDRESS"], int(port)))
    listener.listen(4096)
    listener.setblocking(False)
    listeners.append(listener)
while True:
    ready, _, _ = select.select([] if sys.argv[1] == "deaf" else listeners, [], [], 1)
    for listener in ready:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        except OSError:
            time.sleep(0.1)
            continue
        if sys.argv[1] == "keeping":
            held.append(connection)
            continue
        if sys.argv[1] == "hostile":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if sys.argv[1] == "generous":
            connection.setblocking(False)
            try:
                connection.send(b"x" * 4_000_000)
            except BlockingIOError:
                pass
        connection.close()
