import starter


def test_key_at_import() -> None:
    starter.talk_with_key_at_import()


def test_key_of_the_file() -> None:
    starter.talk_with_key_of_the_file()


def test_key_in_the_code() -> None:
    starter.talk_with_key_in_the_code()
