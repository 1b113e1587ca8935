"""Echo servers on Tornado, one process a port, each with a count of its own. Usage: countingEcho.py COUNT_DIRECTORY"""
import asyncio
import os
import sys

import tornado.iostream
import tornado.tcpserver

directory = sys.argv[1]
address = os.environ["C10M_ADDRESS"]
ports = [int(port) for port in os.environ["C10M_PORTS"].split(",")]
BACKLOG = 65535


class Echo(tornado.tcpserver.TCPServer):
    open = 0

    async def handle_stream(self, stream, _address):
        self.open += 1
        try:
            while True:
                await stream.write(await stream.read_bytes(65536, partial=True))
        except tornado.iostream.StreamClosedError:
            pass
        finally:
            self.open -= 1


async def main(port):
    server = Echo()
    server.bind(port, address, backlog=BACKLOG)
    server.start()
    path = os.path.join(directory, str(port))
    while True:
        with open(path + ".new", "w") as file:
            file.write(str(server.open))
        os.replace(path + ".new", path)
        await asyncio.sleep(0.25)


for port in ports[1:]:
    if os.fork() == 0:
        ports[0] = port
        break
asyncio.run(main(ports[0]))
