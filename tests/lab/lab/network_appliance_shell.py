#!/usr/bin/python3
"""The command line of a scripted ASA: what sshd runs for a login. Its one argument is a JSON file of how it behaves (see network_appliance.py).

It drives its terminal itself, as an appliance does: raw, its own echo, lines end with CR LF, output is paged until told otherwise."""

import json
import os
import random
import sys
import termios
import time
import tty


class HangUp(Exception):
    pass


class Console:
    def __init__(self, how):
        self.how = how
        self.height = how.get("page_lines", 24)
        self.written = 0
        self.random = random.Random(4)

    def write(self, text):
        data = text.encode().replace(b"\n", b"\r\n")
        rate = self.how.get("bytes_per_second")
        while data:
            piece = data[:self.random.randint(1, max(1, rate // 10))] if rate else data[:65536]
            data = data[len(piece):]
            limit = self.how.get("hang_up_after")
            if limit is not None and self.written + len(piece) > limit:
                os.write(1, piece[:limit - self.written])
                raise HangUp
            done = 0
            while done < len(piece):
                done += os.write(1, piece[done:])
            self.written += len(piece)
            if rate:
                time.sleep(len(piece) / rate)

    def key(self):
        byte = os.read(0, 1)
        if not byte:
            raise HangUp
        return byte

    def line(self, echo=True):
        text = b""
        while True:
            byte = self.key()
            if byte in b"\r\n":
                self.write("\n")
                return text.decode(errors="replace")
            text += byte
            if echo and self.how.get("echo", True):
                os.write(1, byte)

    def page(self, text):
        """A page at a time, each wiped out by blanks once a key is pressed."""
        lines = text.splitlines(True)
        for start in range(0, len(lines), self.height or len(lines)):
            if start:
                self.write("<--- More --->")
                key = self.key()
                self.write("\r" + " " * 14 + "\r")
                if key in b"q":
                    return
            self.write("".join(lines[start:start + (self.height or len(lines))]))

    def pausing(self, text):
        """Pauses behind each line that looks like the prompt: on a slow link that is where an output seems to end."""
        if not self.how.get("pause_at_prompts"):
            self.page(text)
            return
        mark = self.how["hostname"] + "# \n"
        for piece in text.split(mark)[:-1]:
            self.write(piece + mark[:-1])
            time.sleep(0.6)
            self.write("\n")
        self.write(text.split(mark)[-1])


class Appliance:
    def __init__(self, how):
        self.how = how
        self.console = Console(how)
        self.enabled = how.get("logs_in_enabled", False)

    def read(self, name):
        with open(self.how[name]) as f:
            return f.read()

    def enable(self):
        for _ in range(3):
            self.console.write("Password: ")
            given = self.console.line(echo=False)
            if self.how.get("enable_asks_twice") and not self.how.pop("asked", False):
                self.how["asked"] = True
                continue
            if given == self.how.get("enable_password", ""):
                self.enabled = True
                return
            self.console.write("Invalid password\n")
        self.console.write("Access denied.\n")

    def write_memory(self):
        if self.how.get("asks_to_confirm"):
            self.console.write("Overwrite the startup configuration? [confirm]")
            self.console.line()
        self.console.write("Building configuration...\nCryptochecksum: 2c1f6ed3 5a6b6a5c 1be1d7d5 4f7a8a6b \n\n")
        time.sleep(self.how.get("write_seconds", 0.2))
        self.console.write(self.how.get("write_answer", "8213 bytes copied in 0.380 secs\n[OK]\n"))
        with open(self.how["running"]) as source, open(self.how["startup"], "w") as target:
            target.write(": Saved\n: Written by enable_15 at " + time.strftime("%H:%M:%S") + " UTC\n" + source.read().split("\n", 1)[1])

    def command(self, line):
        with open(self.how["log"], "a") as f:
            f.write(line + "\n")
        if not line:
            return True
        refused = self.how.get("refuses", {})
        if line in refused:
            self.console.write(refused[line])
        elif line == "exit":
            self.console.write("\nLogoff\n\n")
            return False
        elif line == "enable":
            self.enable()
        elif not self.enabled:
            self.console.write("            ^\nERROR: % Invalid input detected at '^' marker.\n")
        elif line == "terminal pager 0":
            self.console.height = self.console.height if self.how.get("pages_always") else 0
        elif line == "write memory":
            self.write_memory()
        elif line == "show running-config":
            self.console.pausing(self.read("running"))
        elif line == "show startup-config":
            self.console.page(self.read("startup"))
        elif line == "show version":
            self.console.page("\nCisco Adaptive Security Appliance Software Version 9.18(4)\n\n"
                              f"{self.how['hostname']} up {int(time.time()) % 1000} days 3 hours\n\nSerial Number: 9AGF9JQEJ9T\n")
        else:
            self.console.write("ERROR: % Invalid input detected at '^' marker.\n")
        return True

    def serve(self):
        self.console.write(self.how.get("banner", ""))
        time.sleep(self.how.get("login_seconds", 0))
        if "shell_password" in self.how:
            self.console.write("Username: ")
            user = self.console.line()
            self.console.write("Password: ")
            if (user, self.console.line(echo=False)) != (self.how["shell_user"], self.how["shell_password"]):
                raise HangUp
        self.console.write("Type help or '?' for a list of available commands.\n")
        while True:
            self.console.write(self.how["hostname"] + ("# " if self.enabled else "> "))
            if not self.command(self.console.line().strip()):
                return


def main():
    with open(sys.argv[1]) as f:
        how = json.load(f)
    tty.setraw(0, termios.TCSANOW)
    try:
        Appliance(how).serve()
    except (HangUp, OSError):
        pass


if __name__ == "__main__":
    main()
