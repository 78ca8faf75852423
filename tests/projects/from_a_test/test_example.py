from pytest_dgbudget import Scenario, VoiceAgent

HANDOVER: Scenario = {
    "turn": [
        {
            "pattern": r"order (?P<number>[A-Z]-\d+)",
            "call": {"name": "look_up", "arguments": {"order": "{number}"}},
            "reply": "Order {number}: {result}",
        },
        {"reply": "I hand you over.", "then": [{"wait": "200ms", "close": 1000}]},
    ]
}


def test_a_customer_is_handed_over(voice_agent: VoiceAgent) -> None:
    voice_agent.emulator.scenario(HANDOVER)
    with voice_agent.connect() as session:
        session.on_function("look_up")(lambda order: f"{order} is on its way")
        assert session.say("Where is order A-17?").reply == "Order A-17: A-17 is on its way"
        voice_agent.emulator.inject({"type": "FrustrationDetected", "count": 1, "escalated": False})
        session.expect("FrustrationDetected", count=1)
        assert session.say("A human, please.").reply == "I hand you over."
