"""A doctest is no function, and asks for the fixture in its body.

>>> agent = getfixture("voice_agent")
>>> with agent.connect() as session:
...     try:
...         _ = session.expect("Never", timeout=10)
...     except Exception:
...         print("caught")
caught
"""
