"""A page with nothing but ``assets/live.js``, for tests that cut, freeze and renew its server."""

from pathlib import Path
from typing import Any

import flask
from werkzeug.serving import make_server

from layouts.web import live

LIVE_JS = Path(__file__).parent.parent / "assets" / "live.js"
PAGE = """<!doctype html><html><body><div id="lost-band">MẤT KẾT NỐI từ
<span id="lost-since"></span></div><script>
window.seen = [];
window.dash_clientside = {set_props: (id, props) => window.seen.push([id, props.data])};
</script><script src="/live.js"></script></body></html>"""


class Stand:
    """A page with only ``live.js``, beside an event stream that beats four times as fast."""

    def __init__(self, port: int, build: str = "a"):
        self.version = 1
        self.watch = live.Watch(self._read, lambda: self.version)
        server = flask.Flask("stand")
        script = LIVE_JS.read_text().replace("SILENCE = 20000", "SILENCE = 5000")
        script = script.replace("GRACE = 5000", "GRACE = 1000")

        @server.get("/")
        def page() -> str:
            return PAGE

        @server.get("/live.js")
        def live_js() -> flask.Response:
            return flask.Response(script, mimetype="text/javascript")

        @server.get("/events")
        def events() -> flask.Response:
            self.watch.start()
            events = live.stream(self.watch, {"build": build}, beat=2.5)
            return flask.Response(events, mimetype="text/event-stream")

        self.server = make_server("127.0.0.1", port, server, threaded=True)
        self.server.daemon_threads = True  # type: ignore[attr-defined]

    def _read(self) -> dict[str, Any]:
        return {"version": self.version, "topics": {}}
