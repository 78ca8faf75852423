def test_without_session() -> None:
    assert True
