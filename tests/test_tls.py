"""Only a certificate that is valid, of this host and of a trusted authority lets us speak (43)."""

from pathlib import Path

import pytest

from connectors.io import IO
from ioc.config import Lined
from ioc.errors import Broken
from tests.certificates import Authority
from tests.chaos import Answer, Chaos, serve
from tests.fields import rest_source

AUTH = Lined({"kind": "bearer", "token": "${IOC_S}"})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_a_sound_certificate_of_the_declared_authority_is_read(authority: Authority) -> None:
    with Chaos(serve(Answer([1])), authority.context()) as server:
        source = rest_source(server.url, options=Lined({"ca_file": str(authority.file)}))
        with IO(source, sleep=lambda _: None) as io:
            assert io.json(server.url) == [1]


@pytest.mark.parametrize(
    ("host", "days"), [("127.0.0.1", -1), ("cong.quangbinh.gov.vn", 1), ("127.0.0.2", 1)]
)
def test_an_ended_certificate_or_one_of_another_host_is_refused_and_told_nothing(
    authority: Authority, host: str, days: int
) -> None:
    with Chaos(serve(Answer([1])), authority.context(host, days=days)) as server:
        options = Lined({"ca_file": str(authority.file)})
        source = rest_source(server.url, options=options, auth=AUTH)
        with (
            IO(source, sleep=lambda _: None, env={"IOC_S": "bi-mat-9"}) as io,
            pytest.raises(Broken, match="chứng thư TLS không hợp lệ"),
        ):
            io.json(server.url)
        assert server.requests == [] and io.calls == 1


def test_an_authority_that_nobody_declared_is_refused(authority: Authority, tmp_path: Path) -> None:
    with Chaos(serve(Answer([1])), authority.context()) as server:
        for options in ({}, {"ca_file": str(Authority(tmp_path).file)}):
            with (
                IO(rest_source(server.url, options=Lined(options)), sleep=lambda _: None) as io,
                pytest.raises(Broken, match="chứng thư TLS không hợp lệ"),
            ):
                io.json(server.url)
        assert server.requests == []
