"""Echo servers of Python's own libraries. Usage: server.py websockets|aiohttp|tornado COUNT_SOCKET; each reports its open connections at that socket."""
import asyncio
import os
import sys

kind, count_path = sys.argv[1:]
address = os.environ["C10M_ADDRESS"]
ports = [int(port) for port in os.environ["C10M_PORTS"].split(",")]
BACKLOG = 4096
connections = set()


async def serve_websockets():
    import websockets

    async def echo(socket, *_):
        connections.add(socket)
        try:
            async for message in socket:
                await socket.send(message)
        finally:
            connections.discard(socket)

    for port in ports:
        await websockets.serve(echo, address, port, backlog=BACKLOG, compression=None, ping_interval=None)


async def serve_aiohttp():
    from aiohttp import web

    async def echo(request):
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        connections.add(socket)
        try:
            async for message in socket:
                await socket.send_bytes(message.data)
        finally:
            connections.discard(socket)
        return socket

    application = web.Application()
    application.router.add_get(os.environ["C10M_WEBSOCKET_PATH"], echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    for port in ports:
        await web.TCPSite(runner, address, port, backlog=BACKLOG).start()


async def serve_tornado():
    import tornado.tcpserver
    import tornado.iostream

    class Echo(tornado.tcpserver.TCPServer):
        async def handle_stream(self, stream, _):
            connections.add(stream)
            try:
                while True:
                    await stream.write(await stream.read_bytes(65536, partial=True))
            except tornado.iostream.StreamClosedError:
                connections.discard(stream)

    server = Echo()
    for port in ports:
        server.bind(port, address, backlog=BACKLOG)
    server.start()


async def main():
    async def tell(_, writer):
        writer.write(str(len(connections)).encode())
        await writer.drain()
        writer.close()

    await asyncio.start_unix_server(tell, count_path)
    await {"websockets": serve_websockets, "aiohttp": serve_aiohttp, "tornado": serve_tornado}[kind]()
    await asyncio.Event().wait()


asyncio.run(main())
