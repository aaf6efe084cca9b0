"""The systems of the synthetic province: which source each one feeds, and where it is found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from connectors.sandbox.place import Place, System

FIRST = 3  # ports before these: the portal, the control port, the field reports


@dataclass(frozen=True, slots=True)
class Listed:
    """One system: its source, its module, the variable of its address and the form of that.

    The form may name ``{port}`` and ``{folder}``; ``sample`` are the credentials of the sample,
    by variable.
    """

    source: str
    module: str
    variable: str
    form: str
    sample: Mapping[str, str] = field(default_factory=dict)

    def address(self, port: int, folder: Path) -> str:
        """Where the source finds the system."""
        return self.form.format(port=port, folder=folder)

    def make(self, place: Place) -> System:
        """The system, closed."""
        module = import_module(f"connectors.sandbox.{self.module}")
        return module.make(place)


SYSTEMS: tuple[Listed, ...] = (
    Listed(
        "education",
        "education",
        "IOC_EDUCATION_URL",
        "http://127.0.0.1:{port}",
        {"IOC_EDUCATION_KEY": "mau-khoa-giao-duc"},
    ),
    Listed(
        "health",
        "health_records",
        "IOC_HEALTH_URL",
        "http://127.0.0.1:{port}",
        {"IOC_HEALTH_PASSWORD": "mau-mat-khau-y-te"},
    ),
    Listed("tourism", "tourism", "IOC_TOURISM_URL", "http://127.0.0.1:{port}"),
    Listed(
        "traffic_incidents",
        "traffic_incidents",
        "IOC_TRAFFIC_INCIDENTS_URL",
        "http://127.0.0.1:{port}",
        {"IOC_TRAFFIC_INCIDENTS_KEY": "mau-khoa-giao-thong"},
    ),
    Listed("stations", "masts", "IOC_STATIONS_URL", "http://127.0.0.1:{port}"),
    Listed(
        "meetings",
        "meetings",
        "IOC_MEETINGS_URL",
        "http://127.0.0.1:{port}",
        {
            "IOC_MEETINGS_ACCESS_KEY": "mau-truy-cap-hop",
            "IOC_MEETINGS_SECRET_KEY": "mau-khoa-hop-khong-bi-mat",
        },
    ),
    Listed(
        "work_files",
        "work_files",
        "IOC_WORK_FILES_URL",
        "http://127.0.0.1:{port}",
        {"IOC_WORK_FILES_TOKEN": "mau-the-truy-cap-ho-so"},
    ),
    Listed(
        "shared_systems",
        "inventory",
        "IOC_SHARED_SYSTEMS_URL",
        "sqlite:///{folder}/danh_muc.sqlite",
    ),
    Listed(
        "online_meetings",
        "video_meetings",
        "IOC_ONLINE_MEETINGS_URL",
        "sqlite:///{folder}/hop.sqlite",
    ),
    Listed("environment", "environment", "IOC_ENVIRONMENT_URL", "http://127.0.0.1:{port}"),
    Listed(
        "traffic",
        "traffic",
        "IOC_TRAFFIC_URL",
        "mqtt://127.0.0.1:{port}",
        sample={"IOC_TRAFFIC_PASSWORD": "du-lieu-mau-khong-bi-mat"},
    ),
    Listed("inspections", "inspections", "IOC_INSPECTIONS_FOLDER", "{folder}"),
    Listed("transformation", "transformation", "IOC_TRANSFORMATION_FOLDER", "{folder}"),
    Listed("smart_services", "smart_services", "IOC_SMART_SERVICES_FOLDER", "{folder}"),
    Listed("telecom", "telecom", "IOC_TELECOM_FOLDER", "{folder}"),
    Listed("household_survey", "household_survey", "IOC_HOUSEHOLD_SURVEY_FOLDER", "{folder}"),
    Listed("data_centre", "data_centre", "IOC_DATA_CENTRE_URL", "http://127.0.0.1:{port}"),
    Listed(
        "archives",
        "archives",
        "IOC_ARCHIVES_URL",
        "webdav+http://127.0.0.1:{port}/so-hoa",
        {"IOC_ARCHIVES_PASSWORD": "du-lieu-mau-khong-bi-mat"},
    ),
    Listed("public_order", "public_order", "IOC_PUBLIC_ORDER_URL", "http://127.0.0.1:{port}"),
    Listed(
        "online_information",
        "online_information",
        "IOC_ONLINE_INFORMATION_URL",
        "http://127.0.0.1:{port}",
    ),
    Listed("reporting", "reporting_office", "IOC_REPORTING_URL", "http://127.0.0.1:{port}"),
    Listed("projects", "projects", "IOC_PROJECTS_FOLDER", "{folder}"),
    Listed("disbursements", "disbursements", "IOC_DISBURSEMENTS_FOLDER", "{folder}"),
    Listed(
        "information_security",
        "soc",
        "IOC_INFORMATION_SECURITY_URL",
        "http://127.0.0.1:{port}",
        {"IOC_INFORMATION_SECURITY_PASSWORD": "du-lieu-mau-khong-bi-mat"},
    ),
)
"""Beside the portal, the field reports and the staff folder, which ``serve`` builds itself."""


def ports(first: int) -> list[int]:
    """The port of each listed system, whether it needs one or not; zeros for a first port of 0."""
    return [first + FIRST + i if first else 0 for i in range(len(SYSTEMS))]


def home_of(folder: Path, listed: Listed) -> Path:
    """The folder of a system under the sample's own."""
    return folder / listed.source


def sample_of(first: int, folder: Path) -> dict[str, str]:
    """What the variables of all listed systems say while the sample is read."""
    found: dict[str, str] = {}
    for listed, port in zip(SYSTEMS, ports(first), strict=True):
        found[listed.variable] = listed.address(port, home_of(folder, listed))
        found |= listed.sample
    return found
