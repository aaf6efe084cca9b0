"""A web with accounts, wired as it runs, and the people who come to its doors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import create_app
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, audit

HOST = "ioc.example"
HERE = f"https://{HOST}"
PASSWORD = "mưa rào tháng bảy ở Lệ Thủy"
ADMIN = Principal.local_admin()
PAGE = {"Accept": "text/html", "Origin": HERE}


def settings_of(folder: Path, store: Any, **more: Any) -> Settings:
    """Accounts, a secret and a name."""
    key = folder / "secret"
    key.write_bytes(b"k" * 48)
    given = {"auth": "accounts", "hosts": HOST, "data": folder, "database_url": store.url}
    return Settings(secret_key_file=key, **given | more)


@dataclass
class Doors:
    """The web and its store."""

    server: Any
    store: Any
    settings: Settings

    def person(self, name: str = "lan", role: str = "viewer", **more: Any) -> str:
        """An account with rights to everything and the password of all; its name."""
        rights = {"org_units": None} | more
        token = accounts.create(
            self.store, ADMIN, name=name, display=f"Bà {name}", role=role, **rights
        )
        accounts.set_password(self.store, token, PASSWORD)
        return name

    def browser(self, base: str = HERE) -> Browser:
        """Somebody's browser, with nothing in it."""
        return Browser(self.server.test_client(), base)

    def inside(self, name: str = "lan", **more: Any) -> Browser:
        """A browser in which a new person has signed in."""
        browser = self.browser()
        assert browser.sign_in(self.person(name, **more)).status_code == 303
        return browser

    def told(self, kind: str) -> list[Any]:
        """What the audit holds of a kind, the newest first."""
        return list(audit.entries(self.store, ADMIN, kind=kind))


@dataclass
class Browser:
    """A client that keeps cookies and fills in forms as a browser does."""

    client: Any
    base: str = HERE

    def get(self, path: str, **more: Any) -> Any:
        """Go to a page."""
        return self.client.get(path, base_url=self.base, headers=PAGE | more)

    def post(self, path: str, form: dict[str, Any] | None = None, **more: Any) -> Any:
        """Send a form of this site."""
        headers = PAGE | {"Origin": self.base} | more
        return self.client.post(path, data=form or {}, base_url=self.base, headers=headers)

    def token(self, path: str = "/login") -> str:
        """What the form of a page carries."""
        return re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)[1]

    def sign_in(self, name: str, password: str = PASSWORD, **more: Any) -> Any:
        """Fill in the form and send it."""
        form = {"csrf": self.token(), "name": name, "password": password, **more}
        return self.post("/login", form)

    def does(self, path: str, **form: Any) -> Any:
        """Send a form of one's own account."""
        return self.post(path, {"csrf": self.token("/account"), **form})

    def cookie(self, name: str) -> Any:
        """A cookie that it holds, or None."""
        return self.client.get_cookie(name, domain=self.base.partition("//")[2].partition(":")[0])


def doors(folder: Path, store: Any, **more: Any) -> Doors:
    """The wired web over a store."""
    settings = settings_of(folder, store, **more)
    return Doors(create_app(settings, store).server, store, settings)
