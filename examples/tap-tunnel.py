#!/usr/bin/env python3
"""Joins a TAP with another site: frames read from it leave as UDP datagrams, and the other way round.

    tap-tunnel.py TAP LOCAL_IP REMOTE_IP

It makes the TAP and sets it up; the TAP goes away with the process. No encryption: an example.
"""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
PORT = 4444
FRAME_CAP = 65536

name, local, remote = sys.argv[1:]
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((local, PORT))
wire.connect((remote, PORT))
subprocess.run(["ip", "link", "set", name, "up"], check=True)

while True:
    ready, _, _ = select.select([tap, wire], [], [])
    if tap in ready:
        frame = os.read(tap, FRAME_CAP)
        try:
            wire.send(frame)
        except OSError:
            pass  # The other site is not there yet: lost, as on any wire.
    if wire in ready:
        try:
            frame = wire.recv(FRAME_CAP)
        except ConnectionRefusedError:
            continue  # What an ICMP answer to an earlier datagram leaves.
        os.write(tap, frame)
