"""A server for webhooks on loopback, over TLS, with a certificate authority of its own: it records what it is sent and answers as it is told.

    authority = Authority(folder)
    with WebhookServer(authority) as server:
        server.url("secret"), authority.file           # what goes into secrets.conf and ca_file
        server.answers = ["429 Retry-After: 3", "500", "close", "half", "delay 2", "404"]      # one each, then 200
        server.down() / server.up()                    # nobody listens
        server.accepted()                              # [(path, JSON)] that were answered with 200, in their order
"""

import json
import os
import socket
import ssl
import subprocess
import threading
import time


class Authority:
    """A throw-away certificate authority, and the server certificates that it signs."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.file = os.path.join(folder, f"{name}.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                      f"/CN=throw-away {name}", "-keyout", self._path("key"), "-out", self.file)

    def _path(self, suffix):
        return os.path.join(self.folder, f"{self.name}.{suffix}")

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def certificate(self, names="IP:127.0.0.1,DNS:localhost"):
        """(certificate, key) of a server with these names."""
        cert, key, request, extensions = (self._path(s) for s in ("server.pem", "server.key", "csr", "ext"))
        with open(extensions, "w") as f:
            f.write(f"subjectAltName={names}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._path("key"), "-CAcreateserial", "-days", "2", "-extfile",
                      extensions, "-out", cert)
        return cert, key


class WebhookServer:
    def __init__(self, authority, names="IP:127.0.0.1,DNS:localhost", port=0):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.certificate(names))
        self.answers, self.requests, self.connections, self.lock = [], [], 0, threading.Lock()
        self.listener, self.port = None, port
        self.up()

    def url(self, secret):
        return f"https://127.0.0.1:{self.port}/services/{secret}"

    def up(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(16)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def down(self):
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain):
        plain.settimeout(30)
        try:
            with self.context.wrap_socket(plain, server_side=True) as connection:
                self._answer(connection)
        except (OSError, ValueError):
            plain.close()

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                raise OSError("no request")
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
        return lines[0].split()[1], headers, body

    def _answer(self, connection):
        path, headers, body = self._read(connection)
        with self.lock:
            how = self.answers.pop(0) if self.answers else "200"
            request = {"when": time.monotonic(), "path": path, "headers": headers, "body": body, "how": how}
            self.requests.append(request)
        word, _, rest = how.partition(" ")
        if word == "delay":
            time.sleep(float(rest))
            word, rest = "200", ""
        if word == "close":
            connection.unwrap()
        elif word == "half":
            connection.sendall(b"HTTP/1.1 200")
        else:
            text = b"ok" if word == "200" else b"told: no " + path.encode()
            extra = rest + "\r\n" if rest else ""
            connection.sendall(f"HTTP/1.1 {word} Said\r\n{extra}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
            request["answered"] = word

    def accepted(self):
        with self.lock:
            return [(r["path"], json.loads(r["body"])) for r in self.requests if r.get("answered") == "200"]


def slack_problems(message):
    """What is wrong with a message by Slack's rules for incoming webhooks and Block Kit; and what could call or link somebody."""
    problems = []

    def check(condition, what):
        if not condition:
            problems.append(what)

    def check_text(o, limit, where):
        check(o.get("type") in ("mrkdwn", "plain_text"), f"{where}: type {o.get('type')}")
        check(0 < len(o.get("text", "")) <= limit, f"{where}: {len(o.get('text', ''))} characters")
        check("<" not in o["text"] and ">" not in o["text"], f"{where}: a bare angle bracket")
        check(o["text"].count("`") in (0, 6), f"{where}: {o['text'].count('`')} backticks")

    check(set(message) <= {"text", "blocks", "unfurl_links", "unfurl_media"}, f"keys {sorted(message)}")
    check(isinstance(message.get("text"), str) and 0 < len(message["text"]) <= 4000, "no text, or too long")
    check("<" not in message["text"], "the fallback has a bare angle bracket")
    check(1 <= len(message["blocks"]) <= 50, f"{len(message['blocks'])} blocks")
    for i, block in enumerate(message["blocks"]):
        where = f"block {i}"
        if block["type"] == "header":
            check_text(block["text"], 150, where)
            check(block["text"]["type"] == "plain_text", where)
        elif block["type"] == "section":
            check("text" in block or "fields" in block, f"{where}: empty")
            if "text" in block:
                check_text(block["text"], 3000, where)
            check(1 <= len(block.get("fields", [0])) <= 10, f"{where}: fields")
            for field in block.get("fields", []):
                check_text(field, 2000, where)
        elif block["type"] == "context":
            check(1 <= len(block["elements"]) <= 10, where)
            for element in block["elements"]:
                check_text(element, 3000, where)
        else:
            problems.append(f"{where}: type {block['type']}")
    text = json.dumps(message, ensure_ascii=False)
    for call in ("<!", "<@", "@here", "@channel", "@everyone"):
        check(call not in text, f"calls by {call}")
    return problems


def slack_text(message):
    """All that a reader sees, without markup."""
    parts = [message["text"]]
    for block in message["blocks"]:
        parts += [o["text"] for o in [block.get("text")] + block.get("fields", []) + block.get("elements", []) if o]
    return "\n".join(parts)


def title(message):
    return message["blocks"][0]["text"]["text"]
