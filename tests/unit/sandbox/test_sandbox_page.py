from sandbox.page import Table, render_page


def test_whatever_is_shown_is_escaped_and_nothing_comes_from_elsewhere() -> None:
    tables = [
        Table("Balances", ("Contact",), [("<script>alert(1)</script>",), (None,)], "None."),
        Table("Requests", ("At",), [], "No request yet."),
    ]

    page = render_page("A & B", "subtitle", [("Contacts", 12345)], tables).body.decode()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "A &amp; B" in page
    assert "12,345" in page
    assert "No request yet." in page
    assert "http://" not in page
    assert "https://" not in page
