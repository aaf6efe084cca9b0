"""Servers of files that nobody here wrote, on loopback: OpenSSH's protocol, WebDAV, a mailbox.

Each rig has ``place(name, body, age)``, which puts a file there as it stood so many seconds ago,
and ``source(**entries)``, which reads it as user ``bao-cao``.
"""

import asyncio
import contextlib
import imaplib
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

from ioc.config import Lined
from ioc.source import Source
from tests.certificates import Authority
from tests.conftest import free_port
from tests.fields import sheet_source

USER, PASSWORD = "bao-cao", "chim-hoang-yen"
ENV = {"IOC_THU": PASSWORD}
BASIC = Lined({"kind": "basic", "username": USER, "password": "${IOC_THU}"})
SKIP = {"skip": {"Mã đơn vị": "^Tổng cộng"}}
SENDER = "van-thu@snv.quangbinh.gov.vn"


class Rig:
    """A server of the files of one folder."""

    url: str
    options: dict[str, Any] = {}

    def __init__(self, folder: Path):
        self.folder = folder

    def place(self, name: str, body: bytes, age: float = 60) -> None:
        """A file that was last touched so many seconds ago."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        at = time.time() - age
        os.utime(path, (at, at))

    def clear(self) -> None:
        """An empty folder."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def source(self, url: str = "", **entries: Any) -> Source:
        """A source that reads here; entries and options over the usual ones."""
        options = Lined({**SKIP, **self.options, **entries.pop("options", {})})
        return sheet_source(url or self.url, **{"auth": BASIC, "options": options, **entries})


# -- SFTP ------------------------------------------------------------------------------------------


class SftpRig(Rig):
    """asyncssh; ``tried`` counts what clients offered to prove who they are."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.tried: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "SftpRig":
        self._thread.start()
        assert self._ready.wait(30)
        self.url = f"sftp://127.0.0.1:{self.port}/den"
        self.options = {"host_key": self.key.get_fingerprint("sha256")}
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        rig = self

        class Server(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                rig.tried.append("password")
                return (username, password) == (USER, PASSWORD)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                rig.tried.append("key")
                return username == USER and key == rig.client_key.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan: asyncssh.SSHServerChannel):
                super().__init__(chan, chroot=os.fsencode(rig.folder.parent))

        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=[self.key],
            sftp_factory=Files, allow_scp=False,
        )  # fmt: skip
        self.port = server.get_port()


# -- WebDAV ----------------------------------------------------------------------------------------


class DavRig(Rig):
    """WsgiDAV behind cheroot, with a password."""

    def __enter__(self) -> "DavRig":
        port = free_port()
        app = WsgiDAVApp({
            "provider_mapping": {"/": {"root": str(self.folder.parent), "readonly": True}},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False},
            "logging": {"enable": False},
            "verbose": 0,
        })
        self._server = wsgi.Server(("127.0.0.1", port), app, numthreads=4)
        self._server.prepare()
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()
        self.url = f"webdav+http://127.0.0.1:{port}/den"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join(5)


# -- a mailbox -------------------------------------------------------------------------------------

DOVECOT = """
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/log
protocols = imap
listen = 127.0.0.1
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
auth_failure_delay = 0
first_valid_uid = 1
{users}
mail_location = maildir:{home}/mail/%u:INDEX=MEMORY
mail_access_groups =
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


class MailRig(Rig):
    """dovecot with one mailbox in Maildir; a file is an attachment of a mail of its own."""

    def __init__(self, home: Path, authority: Authority):
        super().__init__(home / "mail" / USER)
        self._home, self.authority = home, authority
        self.port, self.tls_port, self._number = free_port(), free_port(), 0
        self.url = f"imap://127.0.0.1:{self.port}/INBOX"
        self.tls_url = f"imaps://127.0.0.1:{self.tls_port}/INBOX"
        self.options = {"senders": [SENDER]}
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.owner = owner.pw_uid, owner.pw_gid
        self._users = f"default_internal_user = {owner.pw_name}\n"
        self._users += f"default_login_user = {owner.pw_name}\n" if os.geteuid() else ""

    def __enter__(self) -> "MailRig":
        program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            pytest.fail("dovecot is missing: install the package dovecot-imapd")
        cert, key = self.authority.issue()
        self.clear()
        (self._home / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        users = "" if os.geteuid() == 0 else self._users
        config = DOVECOT.format(
            home=self._home, cert=cert, key=key, port=self.port, tls_port=self.tls_port,
            uid=self.owner[0], gid=self.owner[1], users=users,
        )  # fmt: skip
        (self._home / "dovecot.conf").write_text(config)
        for path in (self._home, *self._home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self._process = subprocess.Popen(
            [program, "-F", "-c", str(self._home / "dovecot.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._await()
        return self

    def _await(self) -> None:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                imaplib.IMAP4("127.0.0.1", self.port, timeout=2).logout()
                return
            if self._process.poll() is not None or time.monotonic() > until:
                log = self._home / "log"
                said = log.read_text()[-2000:] if log.exists() else ""
                pytest.fail(f"dovecot did not start:\n{said}")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._process.stderr.close()

    def place(self, name: str, body: bytes, age: float = 60, sender: str = SENDER) -> None:
        """A mail with the file attached, delivered into ``new``."""
        mail = EmailMessage()
        mail["From"] = f"Nguyễn Văn A <{sender}>"
        mail["To"], mail["Subject"] = "ioc@quangbinh.gov.vn", "DỮ LIỆU MẪU: báo cáo"
        mail["Date"] = format_datetime(datetime.now(UTC) - timedelta(seconds=age))
        mail.set_content("Kính gửi, ông Nguyễn Văn A, số điện thoại 0912345678.")
        mail.add_attachment(body, maintype="application", subtype="octet-stream", filename=name)
        self.deliver(mail.as_bytes())

    def deliver(self, raw: bytes) -> None:
        """A mail as it comes from the post."""
        self._number += 1
        name = f"{time.time_ns()}.M{self._number}.mau"
        aside = self.folder / "tmp" / name
        aside.write_bytes(raw)
        os.chown(aside, *self.owner)
        aside.rename(self.folder / "new" / name)

    def clear(self) -> None:
        """An empty mailbox, and with that a new UIDVALIDITY."""
        self._number += 1
        if self.folder.exists():  # at once: the server may still be busy in it
            self.folder.rename(self._home / f"old-{self._number}")
        for part in ("tmp", "new", "cur"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "dovecot-uidlist").write_text(f"3 V{1_700_000_000 + self._number} N1\n")
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, *self.owner)

    def letters(self) -> list[tuple[str, bytes]]:
        """Every mail as it lies there: its name has the flags, and its bytes."""
        found = [*(self.folder / "new").iterdir(), *(self.folder / "cur").iterdir()]
        return sorted((path.name, path.read_bytes()) for path in found)


@contextlib.contextmanager
def mail_rig() -> Iterator[MailRig]:
    """A mailbox server in a folder that its users may enter, gone with the block."""
    home = Path(tempfile.mkdtemp(prefix="ioc-mail-"))
    try:
        with MailRig(home, Authority(home)) as rig:
            yield rig
    finally:
        shutil.rmtree(home, ignore_errors=True)
