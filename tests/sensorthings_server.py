"""django-ogc-sensorthings on loopback: a SensorThings server that nobody here wrote.

``with SensorThings(folder) as server:`` starts it on SQLite in a process of its own; ``station``
and ``observe`` fill it over its own interface.
"""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

HERE = Path(__file__).parent.parent
OBSERVATION_TYPE = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
SETTINGS = """
from uuid import UUID
SECRET_KEY = "for a test"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "sta_urls"
STA = "sensorthings.versions.v1_1"
INSTALLED_APPS = [STA, f"{STA}.backends.django", f"{STA}.extensions.dataarray"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": %(database)r}}
SENSORTHINGS_V1_1_SERVICE_URL = %(url)r
SENSORTHINGS_V1_1_BACKEND_ADAPTER = (
    "sensorthings.versions.v1_1.backends.django.adapter.DjangoBackendAdapter"
)
SENSORTHINGS_V1_1_ID_TYPE = UUID
SENSORTHINGS_V1_1_ID_DELIMITER = "'"
SENSORTHINGS_V1_1_DOCS_ENABLED = False
"""
URLS = """
from django.urls import include, path
urlpatterns = [path("", include("sensorthings.versions.v1_1.urls"))]
"""
START = """
import django, sys
django.setup()
from django.core.asgi import get_asgi_application
from django.core.management import call_command
call_command("migrate", verbosity=0)
import uvicorn
uvicorn.run(get_asgi_application(), host="127.0.0.1", port=int(sys.argv[1]), lifespan="off",
            log_level="warning")
"""


class SensorThings:
    """The running server; ``url`` is its root, without the version."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx2.Client(base_url=f"{self.url}/v1.1", timeout=30, trust_env=False)
        self._sensor: str | None = None

    def __enter__(self) -> "SensorThings":
        said = {"database": str(self.folder / "sta.sqlite"), "url": self.url}
        (self.folder / "sta_settings.py").write_text(SETTINGS % said)
        (self.folder / "sta_urls.py").write_text(URLS)
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "sta_settings"}
        env["PYTHONPATH"] = str(self.folder)
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(self.port)],
            env=env,
            cwd=self.folder,
            stdout=self._log,
            stderr=self._log,
        )
        self._await()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def _await(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if self._client.get("/Things").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def post(self, collection: str, body: dict[str, Any]) -> str:
        """Create an entity; its id."""
        answer = self._client.post(f"/{collection}", json=body)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"].split("('")[1].split("')")[0]

    def thing(self, code: str | None, **properties: Any) -> str:
        """A station of an org unit."""
        given = {"maXa": code, "nguoiTruc": "Nguyễn Văn A, 0912345678", **properties}
        body = {"name": "Trạm thử", "description": "thử", "properties": given}
        place = {"type": "Point", "coordinates": [106.6, 17.48]}
        told = {"name": "l", "description": "l", "encodingType": "application/geo+json"}
        return self.post("Things", body | {"Locations": [told | {"location": place}]})

    def datastream(self, thing: str, name: str = "PM2.5", **properties: Any) -> str:
        """One quantity that a station measures."""
        if self._sensor is None:
            told = {"name": "s", "description": "s", "encodingType": "text/html", "metadata": "-"}
            self._sensor = self.post("Sensors", told)
        quantity = {"name": name, "definition": f"urn:{name}", "description": name}
        body = {
            "name": name,
            "description": name,
            "observationType": OBSERVATION_TYPE,
            "unitOfMeasurement": {"name": "µg/m³", "symbol": "µg/m³", "definition": "urn:ug"},
            "properties": properties,
            "Thing": {"@iot.id": thing},
            "Sensor": {"@iot.id": self._sensor},
            "ObservedProperty": {"@iot.id": self.post("ObservedProperties", quantity)},
        }
        return self.post("Datastreams", body)

    def observe(self, stream: str, *values: tuple[datetime, float] | tuple[Any, ...]) -> None:
        """Values (the instant that one is of, the value, and when it was told if later)."""
        rows = [[_text(at), _text(said[0] if said else at), result] for at, result, *said in values]
        names = ["phenomenonTime", "resultTime", "result"]
        group = {"Datastream": {"@iot.id": stream}, "components": names, "dataArray": rows}
        answer = self._client.post("/CreateObservations", json=[group])
        assert answer.status_code == 201 and "error" not in answer.json(), answer.text


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
