"""A proxy before Redis that lets requests through and cuts replies: what was asked for has happened, and nobody hears."""

import contextlib
import os
import select
import socket
import threading

from harness import script_sha

CHUNK = 1 << 16


class Proxy:
    def __init__(self, folder, server, dice, what, one_in=4):
        self.path = str(folder / "proxy.sock")
        self.server = server
        self.dice = dice
        self.one_in = one_in
        self.cuts_left = 0
        self.lock = threading.Lock()
        self.words = {
            "claim": (b"BRPOPLPUSH", script_sha("claim").encode()),
            "commit": (script_sha("commit").encode(),),
            "any": (b"*",),
        }[what]
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(128)

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def wants_cut(self, request):
        """Whether the reply to this request is to be lost."""
        with self.lock:
            if self.cuts_left <= 0 or not any(word in request for word in self.words):
                return False
            if self.dice.randrange(self.one_in) != 0:
                return False
            self.cuts_left -= 1
            return True

    def carry(self, client):
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self.server)
            cut = False
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(CHUNK)
                    if not data:
                        return
                    if ready is client:
                        cut = cut or self.wants_cut(data)
                        server.sendall(data)
                    elif cut:
                        client.sendall(data[:self.dice.randrange(len(data))])
                        return
                    else:
                        client.sendall(data)
