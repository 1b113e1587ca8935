# A server that accepts as many connections as its first argument says, and leaves the others in the queue of the kernel.
import os, socket, sys, time

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((os.environ['C10M_ADDRESS'], int(os.environ['C10M_PORTS'].split(',')[0])))
listener.listen(4096)
kept = [listener.accept()[0] for _ in range(int(sys.argv[1]))]
while True:
    time.sleep(3600)
