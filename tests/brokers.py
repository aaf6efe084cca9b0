"""Brokers on loopback: mosquitto, which nobody here wrote, and a queue with what a test put there.

``with Mosquitto(folder) as broker:`` starts one with a password and a memory; ``publish`` speaks as
a gateway does. ``with queued(messages) as url:`` has these for whoever subscribes first.
"""

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from connectors.sandbox.broker import Broker
from connectors.sandbox.packets import Published
from ioc.config import Lined
from ioc.source import Source
from tests.conftest import free_port
from tests.fields import source_of

USER, PASSWORD = "ioc", "mat-khau-thu"
ENV = {"IOC_MQTT_PASSWORD": PASSWORD}
READINGS = {
    "traffic_vehicles": "soXe",
    "traffic_devices": "may.tong",
    "traffic_devices_up": "may.chay",
}


def mqtt_source(url: str, **entries: Any) -> Source:
    """A source of counters at this broker."""
    options = {"topics": ["giaothong/#"], "message_id": "id", "time": "luc"}
    given: dict[str, Any] = {
        "id": "traffic",
        "name": "Đếm xe thử",
        "kind": "mqtt",
        "url": url,
        "owner": "SGTVT",
        "every": "20s",
        "serves": ["commune"],
        "auth": Lined({
            "kind": "basic",
            "username": USER,
            "password": "${IOC_MQTT_PASSWORD}",
        }),
        "fields": {
            "org_unit": "maXa",
            "period": Lined({"path": "luc", "grain": "day", "format": "iso"}),
            "changed_at": "luc",
        },
        "readings": READINGS,
    }
    given |= entries
    given["options"] = Lined(options | entries.get("options", {}))
    return source_of(**given)


def program(name: str) -> str:
    """Where one of mosquitto's programs stands."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.fail(f"{name} is missing: install the package mosquitto")
    return found


class Mosquitto:
    """The broker; its session store outlives a restart, as on a real machine."""

    def __init__(self, folder: Path, *, tls: dict[str, Path] | None = None, extra: str = ""):
        self.port, self._folder, self._tls = free_port(), folder, tls
        self._process: subprocess.Popen | None = None
        self.url = f"mqtt{'s' if tls else ''}://127.0.0.1:{self.port}"
        users = folder / "users"
        users.touch(mode=0o600)
        subprocess.run([program("mosquitto_passwd"), "-b", users, USER, PASSWORD], check=True)
        said = [
            f"listener {self.port} 127.0.0.1",
            *(f"{name} {path}" for name, path in (tls or {}).items()),
            "allow_anonymous false",
            f"password_file {users}",
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 5000",
            extra,
        ]
        (folder / "conf").write_text("\n".join(said) + "\n")

    def __enter__(self) -> "Mosquitto":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it listens."""
        log = (self._folder / "log").open("ab")
        command = [program("mosquitto"), "-c", self._folder / "conf"]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """End it in order: it writes down what it keeps."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def publish(self, *messages: Any, topic: str = "giaothong/tong", **how: Any) -> None:
        """Publish each message, JSON unless it is bytes, and wait until the broker has it."""
        gateway = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        gateway.username_pw_set(USER, PASSWORD)
        gateway.connect("127.0.0.1", self.port)
        gateway.loop_start()
        try:
            for message in messages:
                body = message if isinstance(message, bytes) else json.dumps(message).encode()
                told = gateway.publish(
                    topic, body, qos=how.get("qos", 1), retain=bool(how.get("retain"))
                )
                told.wait_for_publish(20)
                assert told.is_published()
        finally:
            gateway.disconnect()
            gateway.loop_stop()


@contextmanager
def queued(messages: Sequence[bytes], topic: str = "giaothong/19207/tong") -> Iterator[str]:
    """The address of a broker in whose queues these messages wait."""
    broker = Broker(0, backlog=lambda: [Published(topic, message) for message in messages])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(broker.open(), loop).result(20)
        yield f"mqtt://127.0.0.1:{broker.port}"
    finally:
        asyncio.run_coroutine_threadsafe(broker.close(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
