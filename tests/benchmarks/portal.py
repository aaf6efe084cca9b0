"""A portal for the REST poll, in a process of its own: one thousand dossiers, all changed by turns.

python -m tests.benchmarks.portal PORT LATENCY
"""

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ROWS, PAGE = 1_000, 100
CHANNELS = ("toàn trình", "một phần", "trực tiếp")


def rows(turn: int) -> list[dict]:
    """One thousand dossiers; every turn changes all of them."""
    began = datetime.now(UTC) - timedelta(days=40)
    return [
        {
            "maHoSo": f"BENCH-{n}",
            "maCoQuan": "18880",
            "maXa": "18880",
            "maThuTuc": f"1.{n % 97:06d}",
            "ngayTiepNhan": (began + timedelta(minutes=n)).isoformat(),
            "ngayTra": (began + timedelta(days=3, minutes=n)).isoformat(),
            "thoiDiemCapNhat": (began + timedelta(days=4, minutes=n, seconds=turn)).isoformat(),
            "kenh": CHANNELS[(n + turn) % 3],
            "hinhThucTra": "điện tử",
            "trangThai": "đã trả kết quả",
            "hoTenNguoiNop": "x" * 20,
        }
        for n in range(ROWS)
    ]


def serve(port: int, latency: float) -> None:
    """The portal: a journal of one thousand changes that begins anew with every ``turn``."""
    drawn: dict[int, list[dict]] = {}

    async def changes(request: Request) -> Response:
        await asyncio.sleep(latency)
        turn, _, after = request.query_params.get("sau", "0:0").partition(":")
        number, start = int(turn), int(after or 0)
        if number not in drawn:
            drawn.clear()
            drawn[number] = rows(number)
        part = drawn[number][start : start + PAGE]
        body = {"data": part, "tiepTheo": f"{number}:{start + len(part)}"}
        body["conNua"] = start + len(part) < ROWS
        return Response(orjson.dumps(body), media_type="application/json")

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    app = Starlette(routes=[Route("/thayDoi", changes)])
    config = uvicorn.Config(app, log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
