"""The ground that other tests stand on: databases that are fresh, a browser that draws."""

import psycopg


def test_each_test_gets_an_empty_postgresql_database_in_utf8(postgres_url):
    address = postgres_url.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchone()
        encoding = connection.execute("SHOW server_encoding").fetchone()
        connection.execute("CREATE TABLE left_behind (x int)")
    assert tables == (0,)
    assert encoding == ("UTF8",)


def test_chromium_draws_every_vietnamese_letter_without_replacement_boxes(chromium):
    page = chromium.new_page()
    page.set_content(
        "<canvas id=c width=40 height=40></canvas>"
        "<p id=p style='font:24px \"Noto Sans\"'>Quảng Bình ẤẦẨẪẬ ỚỜỞỠỢ đĐ</p>"
    )
    # A missing glyph is drawn as the same box for every letter: the pictures must differ.
    pictures = page.evaluate(
        """letters => {
            const c = document.getElementById('c'), g = c.getContext('2d');
            return [...letters].map(x => {
                g.clearRect(0, 0, 40, 40); g.font = '24px "Noto Sans"'; g.fillText(x, 5, 30);
                return c.toDataURL();
            });
        }""",
        "ẤẦẨẪẬỚỜỞỠỢđĐựỹ",
    )
    page.close()
    assert len(set(pictures)) == 14
