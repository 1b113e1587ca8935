"""A program that does all it can to outlive the one that started it. Usage: stubborn.py DIRECTORY METHOD; writes its pid to DIRECTORY/METHOD."""
import os
import signal
import sys
import time

directory, method = sys.argv[1:]
if method in ("fork", "daemonize", "namespace"):
    if os.fork() != 0:
        os._exit(0)
if method in ("daemonize", "namespace"):
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
for name in ("SIGTERM", "SIGHUP", "SIGINT"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
with open(f"{directory}/{method}.new", "w") as file:
    file.write(str(os.getpid()))
os.rename(f"{directory}/{method}.new", f"{directory}/{method}")
time.sleep(120)
