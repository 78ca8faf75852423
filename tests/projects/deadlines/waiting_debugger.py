import time


def stop() -> None:
    time.sleep(3)
