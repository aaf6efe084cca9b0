"""Where a source's files lie, by its address: a folder, an SFTP or WebDAV server, a mailbox."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.door import WEB, Origin, is_loopback, origin_of
from connectors.folder import Folder, Shelf
from ioc.errors import Broken

if TYPE_CHECKING:
    from connectors.io import IO

STREAMS = ("sftp", "imap", "imaps")
BROKERS = ("mqtt", "mqtts")
DAV = "webdav+"
_FILES = (*STREAMS, *(DAV + scheme for scheme in WEB))


def scheme_of(url: str) -> str:
    """The scheme of an address, "" for a folder of this machine."""
    scheme, mark, _ = url.partition("://")
    return scheme.lower() if mark else ""


def origin_at(url: str) -> Origin:
    """The origin of a source's own address, of whatever protocol."""
    return origin_of(url.removeprefix(DAV), (*WEB, *STREAMS, *BROKERS))


def refuse_place(url: str) -> None:
    """Broken for an address at which files cannot be read."""
    scheme = scheme_of(url)
    if scheme in WEB:
        raise Broken(f"thư mục WebDAV viết là {DAV}{scheme}://…")
    if scheme and scheme not in _FILES:
        raise Broken(f"địa chỉ phải là thư mục, hoặc {', '.join(_FILES)}, không phải “{scheme}”")
    if scheme:
        _, host, _ = origin_at(url)
        if scheme == "imap" and not is_loopback(host):
            raise Broken("imap:// gửi mật khẩu không mã hóa: hãy dùng imaps://")


def shelf_at(io: "IO", options: Mapping[str, Any], cap: int) -> Shelf:
    """The place of a source's files; its library is loaded with the first source that needs it."""
    match scheme_of(io.url):
        case "":
            return Folder(Path(io.url))
        case "sftp":
            from connectors.sftp import Sftp

            return Sftp(io, options)
        case "imap" | "imaps":
            from connectors.mailbox import Mailbox

            return Mailbox(io, options, cap)
    from connectors.webdav import WebDav

    return WebDav(io)
