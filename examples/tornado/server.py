#!/usr/bin/env python3
"""Echo server on many ports, TCP and WebSocket, as in the 2014 experiment.

C10M starts it with these variables (the engine `command`):
  C10M_ADDRESS          address to listen on, such as 127.0.0.1
  C10M_PROTOCOL         tcp, websocket or both
  C10M_PORTS            comma-separated ports to listen on
  C10M_TCP_PORTS, C10M_WEBSOCKET_PORTS   the same by protocol
  C10M_WEBSOCKET_PATH   path of the WebSocket endpoint (default /ws)

Works on Tornado 6 under CPython and PyPy. One process, one event loop: what an ordinary Tornado server costs. With PROCESSES=N there are N of them on the
same ports (SO_REUSEPORT), for hosts where one process may not open enough files.
"""

import asyncio
import os
import socket
import sys

import tornado.httpserver
import tornado.iostream
import tornado.netutil
import tornado.tcpserver
import tornado.web
import tornado.websocket

# The accept queue of each port; the kernel cuts it to net.core.somaxconn.
BACKLOG = 65535
PROCESSES = int(os.environ.get("PROCESSES", "1"))


def ports_of(variable, protocol):
    text = os.environ.get(variable)
    if text is None and os.environ.get("C10M_PROTOCOL") == protocol:
        text = os.environ.get("C10M_PORTS", "")
    return [int(port) for port in (text or "").split(",") if port.strip()]


class EchoServer(tornado.tcpserver.TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                await stream.write(await stream.read_bytes(65536, partial=True))
        except tornado.iostream.StreamClosedError:
            pass


class EchoWebSocket(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


def listen(address, port):
    return tornado.netutil.bind_sockets(port, address=address, family=socket.AF_INET, backlog=BACKLOG, reuse_port=PROCESSES > 1)


async def main():
    address = os.environ.get("C10M_ADDRESS", "127.0.0.1")
    tcp_ports = ports_of("C10M_TCP_PORTS", "tcp")
    websocket_ports = ports_of("C10M_WEBSOCKET_PORTS", "websocket")
    if not tcp_ports and not websocket_ports:
        sys.exit("no ports: C10M sets C10M_PORTS and C10M_PROTOCOL")
    echo = EchoServer()
    for port in tcp_ports:
        echo.add_sockets(listen(address, port))
    application = tornado.web.Application([(os.environ.get("C10M_WEBSOCKET_PATH", "/ws"), EchoWebSocket)], log_function=lambda handler: None)
    http = tornado.httpserver.HTTPServer(application)
    for port in websocket_ports:
        http.add_sockets(listen(address, port))
    print(f"listening on {len(tcp_ports)} TCP and {len(websocket_ports)} WebSocket ports of {address}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    # Before any event loop; the first process goes on as one of them.
    for _ in range(PROCESSES - 1):
        if os.fork() == 0:
            break
    asyncio.run(main())
