"""Half-open connections for the wall matrix: SYNs from addresses that never answer. Usage: synFlood.py PORT SECONDS.

Runs inside a network namespace of the test only, where 10.9.0.0/16 leads to the loopback device, so that the answers reach nobody.
"""

import random
import socket
import struct
import sys
import time


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source, destination, source_port, port):
    tcp = struct.pack("!HHIIBBHHH", source_port, port, random.getrandbits(32), 0, 5 << 4, 2, 65535, 0, 0)
    pseudo = source + destination + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0, source, destination) + tcp


raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
end = time.time() + float(sys.argv[2])
while time.time() < end:
    for _ in range(50):
        source = socket.inet_aton(f"10.9.{random.randrange(256)}.{random.randrange(1, 255)}")
        raw.sendto(syn(source, socket.inet_aton("127.0.0.1"), random.randrange(1024, 65535), int(sys.argv[1])), ("127.0.0.1", 0))
    time.sleep(0.02)
